/** The container engine of this host, over its local socket. */
export class Engine {
  readonly socket: string

  private constructor(socket: string) {
    this.socket = socket
  }

  /** `dockerHost` as in DOCKER_HOST. Throws ENGINE_REMOTE. */
  static local(dockerHost: string | undefined): Engine {
    return new Engine(dockerHost ?? '/var/run/docker.sock')
  }
}
