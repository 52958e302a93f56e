/** Files as an app would send and fetch them: a slot by GraphQL, the bytes over HTTP. */
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { change } from './outcome.ts';
import type { Person, Untyped } from './person.ts';

export type Slot = { attachmentId: string; uploadUrl: string; headers: { name: string; value: string }[]; method: string; expiresAt: string };
export type Given = { bytes: Uint8Array; fileName?: string; contentType?: string; sha256?: string };

const fields = 'id fileName contentType size sha256 url urlExpiresAt createdAt uploadedBy { id } image { id url width height expiresAt }';
export const attachmentFields = fields;

/** Asks for a slot. Fails when there is none. */
export async function slotFor(who: Person, { bytes, fileName = 'file.bin', contentType = 'application/octet-stream', sha256 }: Given): Promise<Slot> {
  const slot = await change(who, 'requestUpload', { fileName, contentType, size: bytes.length, sha256 }, 'attachmentId uploadUrl method headers { name value } expiresAt');
  if (slot.__typename !== 'RequestUploadPayload') throw new Error(JSON.stringify(slot));
  return slot as unknown as Slot;
}

/** Sends bytes to a slot. Answers the status, and 0 when the connection was cut before there was one. */
export async function put(slot: Pick<Slot, 'uploadUrl'>, bytes: Uint8Array, headers: Record<string, string> = {}): Promise<number> {
  const response = await fetch(slot.uploadUrl, { method: 'PUT', body: new Uint8Array(bytes), headers }).catch(() => null);
  await response?.arrayBuffer();
  return response?.status ?? 0;
}

/** The whole way: a completed upload. */
export async function upload(who: Person, given: Given): Promise<Untyped & { id: string }> {
  const slot = await slotFor(who, given);
  const status = await put(slot, given.bytes);
  if (status !== 204) throw new Error(`PUT: ${status}`);
  const completed = await change(who, 'completeUpload', { attachmentId: slot.attachmentId }, `attachment { ${fields} }`);
  if (completed.__typename !== 'CompleteUploadPayload') throw new Error(JSON.stringify(completed));
  return completed.attachment;
}

/** What a link answers. */
export async function fetched(url: string, init: RequestInit = {}): Promise<{ status: number; headers: Headers; bytes: Buffer }> {
  const response = await fetch(url, init);
  return { status: response.status, headers: response.headers, bytes: Buffer.from(await response.arrayBuffer()) };
}

/** The names of everything that is stored of files: blobs and what is made of them, and (`coming`) uploads on their way. */
export async function storedFiles(server: { dataDir: string }): Promise<string[]> {
  const entries = await readdir(join(server.dataDir, 'files'), { recursive: true, withFileTypes: true });
  return entries.filter((entry) => entry.isFile() && entry.name !== 'installation').map((entry) => (entry.parentPath.endsWith('coming') ? `coming/${entry.name}` : entry.name));
}
