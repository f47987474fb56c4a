// The address of a request's client: only our own server knows it, not a fetch handler that is mounted in another server.

const addresses = new WeakMap<Request, string>();

export function rememberAddress(request: Request, address: string | undefined): void {
  if (address !== undefined) addresses.set(request, address);
}

export function addressOf(request: Request): string | undefined {
  return addresses.get(request);
}
