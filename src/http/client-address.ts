// The client's address of each request. Known only in our own HTTP server, not in a handler that is mounted in another server.

const addresses = new WeakMap<Request, string>();

export function rememberAddress(request: Request, address: string | undefined): void {
  if (address !== undefined) addresses.set(request, address);
}

export function addressOf(request: Request): string | undefined {
  return addresses.get(request);
}
