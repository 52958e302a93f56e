/** A file on its way to the server: a slot, the bytes, and the word that they are there. Answers the id for `attachmentIds` or `setProfilePicture`. */
import type { CompleteUploadHereMutation, RequestUploadHereMutation } from '../../test/generated/graphql.ts';
import type { Plain } from './plain.ts';

const requestDocument = /* GraphQL */ `
  mutation RequestUploadHere($input: RequestUploadInput!) {
    requestUpload(input: $input) {
      __typename
      ... on RequestUploadPayload { attachmentId uploadUrl method headers { name value } }
      ... on UserError { code errorMessage }
    }
  }
`;
const completeDocument = /* GraphQL */ `
  mutation CompleteUploadHere($id: ID!) {
    completeUpload(input: { attachmentId: $id }) {
      __typename
      ... on CompleteUploadPayload { attachment { id contentType size image { id } } }
      ... on UserError { code errorMessage }
    }
  }
`;

/** Rejects with what to tell the person. */
export async function upload({ ask }: Pick<Plain, 'ask'>, file: File): Promise<string> {
  const input = { fileName: file.name, contentType: file.type || 'application/octet-stream', size: file.size };
  const { requestUpload: slot } = await ask<RequestUploadHereMutation>(requestDocument, { input });
  if (slot?.__typename !== 'RequestUploadPayload') throw new Error(slot?.errorMessage ?? 'No answer');
  const headers = slot.headers.map(({ name, value }): [string, string] => [name, value]);
  for (let tries = 1; ; tries++) {
    // No token goes with it: the address is what allows it. The same bytes may be sent again until the upload is complete.
    const response = await fetch(slot.uploadUrl, { method: slot.method, headers, body: file }).catch(() => null);
    if (response?.ok) break;
    if (tries === 5 || (response && response.status < 500)) throw new Error(`The upload failed (${response?.status ?? 'no connection'}).`);
    await new Promise((resolve) => setTimeout(resolve, 500 * 2 ** tries));
  }
  const { completeUpload } = await ask<CompleteUploadHereMutation>(completeDocument, { id: slot.attachmentId });
  if (completeUpload?.__typename !== 'CompleteUploadPayload') throw new Error(completeUpload?.errorMessage ?? 'No answer');
  return completeUpload.attachment.id;
}
