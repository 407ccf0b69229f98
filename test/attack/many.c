/*
 * Opens many connections at once, and says how many were taken once no more were for SECONDS:
 * `many ADDRESS PORT COUNT SECONDS`. On a busy machine a lost SYN is sent again after 1, 3, 7 s.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

/* Whoever waits for it waits a minute. */
static const double SECONDS_MAX = 45;

static double now(void) {
  struct timespec at;
  clock_gettime(CLOCK_MONOTONIC, &at);
  return (double)at.tv_sec + (double)at.tv_nsec / 1e9;
}

int main(int argc, char **argv) {
  if (argc != 5) return 2;
  int count = atoi(argv[3]);
  struct rlimit files;
  getrlimit(RLIMIT_NOFILE, &files);
  files.rlim_cur = files.rlim_max;
  setrlimit(RLIMIT_NOFILE, &files);

  struct sockaddr_in place = {.sin_family = AF_INET, .sin_port = htons((unsigned short)atoi(argv[2]))};
  inet_pton(AF_INET, argv[1], &place.sin_addr);
  struct pollfd *all = calloc((size_t)count, sizeof *all);
  for (int i = 0; i < count; i++) {
    all[i].fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    all[i].events = POLLOUT;
    connect(all[i].fd, (struct sockaddr *)&place, sizeof place);
  }

  int taken = 0;
  double last = now(), limit = last + SECONDS_MAX;
  while (now() < limit && now() < last + atof(argv[4]) && poll(all, (nfds_t)count, 200) >= 0) {
    for (int i = 0; i < count; i++) {
      if (all[i].fd < 0 || all[i].revents == 0) continue;
      int error = 0;
      socklen_t size = sizeof error;
      getsockopt(all[i].fd, SOL_SOCKET, SO_ERROR, &error, &size);
      if (error == 0) {
        taken++;
        last = now();
      }
      /* It stays open; only its place in the list is given up. */
      all[i].fd = -1;
    }
  }
  printf("taken %d\n", taken);
  return 0;
}
