// From where a request came: known to our own server only, not to a fetch handler that is mounted in another.

const addresses = new WeakMap<Request, string>();

export function rememberAddress(request: Request, address: string | undefined): void {
  if (address !== undefined) addresses.set(request, address);
}

export function addressOf(request: Request): string | undefined {
  return addresses.get(request);
}
