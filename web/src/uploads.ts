/** A file on its way to the server: a slot is asked for, the bytes go into it, and the upload is completed. What broke off begins again in the same slot. */
import { ask } from './ask.ts';
import type { CompleteUploadMutation, CompleteUploadMutationVariables, RequestUploadMutation, RequestUploadMutationVariables } from './generated/graphql.ts';
import { operation } from './operation.ts';
import type { Attachment } from './state/state.ts';
import type { Failure } from './state/types.ts';
import { isFailure } from './texts/errors.ts';

const requestDocument = operation<RequestUploadMutation, RequestUploadMutationVariables>(/* GraphQL */ `
  mutation RequestUpload($input: RequestUploadInput!) {
    requestUpload(input: $input) {
      __typename
      ... on RequestUploadPayload { attachmentId uploadUrl method expiresAt headers { name value } }
      ...Failure
    }
  }
`);
const completeDocument = operation<CompleteUploadMutation, CompleteUploadMutationVariables>(/* GraphQL */ `
  mutation CompleteUpload($id: ID!) {
    completeUpload(input: { attachmentId: $id }) {
      __typename
      ... on CompleteUploadPayload { attachment { id fileName contentType size image { id width height } } }
      ...Failure
    }
  }
`);

type Slot = Extract<NonNullable<RequestUploadMutation['requestUpload']>, { __typename: 'RequestUploadPayload' }>;
export type UploadOptions = {
  /** How many bytes have gone out. */
  onProgress?: (bytes: number) => void;
  signal?: AbortSignal;
};

/** What is begun: a file keeps its slot while it is tried again. */
const slots = new WeakMap<File, { slot: Slot; sent: boolean }>();

/** Answers what the server has now, or why it will not have it. Rejects when the line broke, or with AbortError. */
export async function upload(file: File, options: UploadOptions = {}): Promise<Attachment | Failure> {
  for (;;) {
    let begun = slots.get(file);
    if (!begun || (!begun.sent && Date.parse(begun.slot.expiresAt) < Date.now() + 5_000)) {
      const { requestUpload: slot } = await ask(requestDocument, {
        input: { fileName: file.name || 'file', contentType: file.type || 'application/octet-stream', size: file.size },
      });
      if (!slot) throw new Error('No answer');
      if (isFailure(slot)) return slot;
      begun = { slot, sent: false };
      slots.set(file, begun);
    }
    options.signal?.throwIfAborted();
    if (!begun.sent && (await put(file, begun.slot, options)) === 'gone') {
      slots.delete(file);
      continue;
    }
    begun.sent = true;
    const { completeUpload: result } = await ask(completeDocument, { id: begun.slot.attachmentId });
    if (!result) throw new Error('No answer');
    slots.delete(file);
    return isFailure(result) ? result : result.attachment;
  }
}

/** By XMLHttpRequest, which tells how far it is. */
function put(file: File, { uploadUrl, method, headers }: Slot, { onProgress, signal }: UploadOptions): Promise<'there' | 'gone'> {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    const stop = (): void => request.abort();
    const broken = (): void => reject(new Error('The upload broke off.'));
    request.open(method, uploadUrl);
    for (const { name, value } of headers) request.setRequestHeader(name, value);
    request.upload.addEventListener('progress', ({ loaded }) => onProgress?.(Math.min(loaded, file.size)));
    request.addEventListener('error', broken);
    request.addEventListener('abort', () => reject(new DOMException('Cancelled', 'AbortError')));
    request.addEventListener('loadend', () => signal?.removeEventListener('abort', stop));
    request.addEventListener('load', () => {
      const { status } = request;
      // 409: the bytes were there already, and the upload is complete.
      if (status < 300 || status === 409) resolve('there');
      else if (status === 404) resolve('gone');
      else broken();
    });
    signal?.addEventListener('abort', stop);
    request.send(file);
  });
}
