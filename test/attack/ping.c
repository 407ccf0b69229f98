/*
 * One ping without any right: `ping ADDRESS` ends with 0 where an answer comes within two seconds.
 * The image's own asks for a raw socket, which no job gets.
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/ip_icmp.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>

int main(int count, char **words) {
  struct sockaddr_in to = {.sin_family = AF_INET};
  struct icmphdr echo = {.type = ICMP_ECHO};
  struct timeval limit = {.tv_sec = 2};
  char answer[128];
  if (count != 2 || inet_pton(AF_INET, words[1], &to.sin_addr) != 1) return 2;
  int fd = socket(AF_INET, SOCK_DGRAM, IPPROTO_ICMP);
  if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit) < 0) {
    perror("ping");
    return 2;
  }
  if (connect(fd, (struct sockaddr *)&to, sizeof to) < 0) return 1;
  if (send(fd, &echo, sizeof echo, 0) < 0) return 1;
  return recv(fd, answer, sizeof answer, 0) < (ssize_t)sizeof echo;
}
