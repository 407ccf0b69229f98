/*
 * Asks a service of the host in ways that routes do not decide: `around HOW ADDRESS PORT`, with HOW one
 * of `bind` (to a device), `near` (as if it were on this link) and `all` (of this link). Exit 0 where it
 * answers; no right is needed for any of them.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <net/if.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

static const char device[] = "eth0";

/* The broadcast address of the device. */
static struct in_addr everybody(int socket) {
  struct ifreq request = {0};
  strcpy(request.ifr_name, device);
  if (ioctl(socket, SIOCGIFBRDADDR, &request) != 0) exit(2);
  return ((struct sockaddr_in *)&request.ifr_broadaddr)->sin_addr;
}

int main(int count, char **words) {
  if (count != 4) return 2;
  const int on = 1;
  const struct timeval patience = {.tv_sec = 2};
  struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(words[3]))};
  if (inet_aton(words[2], &to.sin_addr) == 0) return 2;
  const int is_all = strcmp(words[1], "all") == 0;
  const int door = socket(AF_INET, is_all ? SOCK_DGRAM : SOCK_STREAM, 0);
  if (door < 0) return 1;
  setsockopt(door, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  setsockopt(door, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
  if (is_all) {
    to.sin_addr = everybody(door);
    setsockopt(door, SOL_SOCKET, SO_BROADCAST, &on, sizeof on);
  } else if (strcmp(words[1], "near") == 0) {
    setsockopt(door, SOL_SOCKET, SO_DONTROUTE, &on, sizeof on);
  } else if (setsockopt(door, SOL_SOCKET, SO_BINDTODEVICE, device, sizeof device) != 0) {
    return 1;
  }
  const char question[] = "GET / HTTP/1.0\r\n\r\n";
  const size_t length = sizeof question - 1;
  if (!is_all && connect(door, (struct sockaddr *)&to, sizeof to) != 0) return 1;
  const struct sockaddr *place = is_all ? (struct sockaddr *)&to : NULL;
  if (sendto(door, question, length, 0, place, is_all ? sizeof to : 0) != (ssize_t)length) return 1;
  char answer[512];
  return recv(door, answer, sizeof answer, 0) > 0 ? 0 : 1;
}
