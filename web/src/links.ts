/** Signed addresses of pictures and files. They last minutes, so they are no part of the state: asked for when something is shown, many at once, and again when they have run out. */
import { signal } from '@preact/signals';
import { ask } from './ask.ts';
import type { LinksQuery, LinksQueryVariables } from './generated/graphql.ts';
import { operation } from './operation.ts';

const linksDocument = operation<LinksQuery, LinksQueryVariables>(/* GraphQL */ `
  query Links($ids: [ID!]!) {
    nodes(ids: $ids) {
      __typename id
      ... on User { avatar { id expiresAt url(width: 160, height: 160) } }
      ... on Room { avatar { id expiresAt url(width: 160, height: 160) } }
      ... on Attachment { url urlExpiresAt image { id expiresAt url(width: 900, height: 900) } }
    }
  }
`);
const most = 50;
const againMs = 10_000;

type Link = { url: string; until: number };
/** By owner and picture, or by attachment (`file`: all of it, `image`: as it is shown). */
const links = signal<ReadonlyMap<string, Link>>(new Map());
const asked = new Map<string, number>();
let due = new Set<string>();

/** The picture of a person or room; null until it is there. */
export const linkOf = (ownerId: string, imageId: string): string | null => find(`${ownerId} ${imageId}`, ownerId);
/** What an attachment shows, and the file itself. */
export const shownLinkOf = (attachmentId: string): string | null => find(`${attachmentId} image`, attachmentId);
export const fileLinkOf = (attachmentId: string): string | null => find(`${attachmentId} file`, attachmentId);

/** When what is shown does not come: the link may have run out. */
export function askAgain(nodeId: string): void {
  asked.delete(nodeId);
  want(nodeId);
}

/** For using it now. Null when there is none (any more). */
export async function freshFileLink(attachmentId: string): Promise<string | null> {
  const key = `${attachmentId} file`;
  if ((links.value.get(key)?.until ?? 0) < Date.now() + 5_000) await take([attachmentId]);
  return links.value.get(key)?.url ?? null;
}

function find(key: string, nodeId: string): string | null {
  const link = links.value.get(key);
  if (!link || link.until < Date.now() + 5_000) want(nodeId);
  return link?.url ?? null;
}

function want(nodeId: string): void {
  // Not again and again what has no picture any more, or cannot be had now.
  if (Date.now() - (asked.get(nodeId) ?? 0) < againMs) return;
  asked.set(nodeId, Date.now());
  if (due.size === 0) setTimeout(() => void read(), 0);
  due.add(nodeId);
}

async function read(): Promise<void> {
  const ids = [...due];
  due = new Set();
  for (let from = 0; from < ids.length; from += most) await take(ids.slice(from, from + most)).catch(again);
}

/** Drawn once more, whatever is still shown asks again. */
const again = (): unknown => setTimeout(() => (links.value = new Map(links.value)), againMs + 100);

async function take(ids: string[]): Promise<void> {
  const { nodes } = await ask(linksDocument, { ids });
  const next = new Map(links.value);
  const add = (key: string, url: string, expiresAt: string | null): unknown => next.set(key, { url, until: expiresAt ? Date.parse(expiresAt) : Number.POSITIVE_INFINITY });
  for (const node of nodes) {
    if (node?.__typename === 'Attachment') {
      add(`${node.id} file`, node.url, node.urlExpiresAt);
      if (node.image) add(`${node.id} image`, node.image.url, node.image.expiresAt);
    } else if (node && 'avatar' in node && node.avatar) add(`${node.id} ${node.avatar.id}`, node.avatar.url, node.avatar.expiresAt);
  }
  links.value = next;
}
