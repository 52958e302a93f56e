/** A room's short link as an address of this page, and back. */

/** `/join/chess`, to be given to others. A dot would look like the name of a file. */
export const joinAddressOf = (link: string): string => `/join/${encodeURIComponent(link).replaceAll('.', '%2E')}`;

/** Links may also lead elsewhere. */
export const isAddress = (link: string): boolean => /^https?:\/\//i.test(link);

/** What somebody typed or pasted, as a link of a room; null when it cannot be one. */
export function linkIn(text: string): string | null {
  const own = `${location.origin}/join/`;
  if (text.startsWith(own)) return decode(text.slice(own.length));
  return isAddress(text) || /^[A-Za-z0-9_.~-]{3,64}$/.test(text) ? text : null;
}

function decode(text: string): string | null {
  try {
    return decodeURIComponent(text);
  } catch {
    return null;
  }
}
