/** One's own picture: chosen and sent at once, with how far it is; or taken away. */
import { useRef, useState } from 'preact/hooks';
import { ask } from '../../ask.ts';
import type { SetMyPictureMutation, SetMyPictureMutationVariables } from '../../generated/graphql.ts';
import { operation } from '../../operation.ts';
import { FormError } from '../../parts/fields.tsx';
import { PersonPicture } from '../../parts/picture.tsx';
import { withPeople } from '../../state/merge.ts';
import type { Failure } from '../../state/types.ts';
import { me, readInto, server, state } from '../../store.ts';
import { isFailure, sentenceOf } from '../../texts/errors.ts';
import { texts } from '../../texts/texts.ts';
import { sizeOf } from '../../texts/times.ts';
import { upload } from '../../uploads.ts';

const pictureDocument = operation<SetMyPictureMutation, SetMyPictureMutationVariables>(/* GraphQL */ `
  mutation SetMyPicture($id: ID) {
    setProfilePicture(input: { attachmentId: $id }) { __typename ... on SetProfilePicturePayload { me { ...PersonFields } } ...Failure }
  }
`);

async function setPicture(id: string | null): Promise<Failure | null> {
  const { setProfilePicture: result } = await readInto(
    () => ask(pictureDocument, { id }),
    (before, data) => (data.setProfilePicture?.__typename === 'SetProfilePicturePayload' ? withPeople(before, [data.setProfilePicture.me]) : before),
  );
  return result && isFailure(result) ? result : null;
}

export function MyPicture() {
  const input = useRef<HTMLInputElement>(null);
  const choose = useRef<HTMLButtonElement>(null);
  const [doing, setDoing] = useState<'sending' | 'removing' | null>(null);
  const [progress, setProgress] = useState(0);
  const [problem, setProblem] = useState<string | null>(null);
  const { you, files } = texts.value;
  const has = Boolean(me.value?.avatar);

  /** `job` answers what the server will not have. */
  async function run(kind: 'sending' | 'removing', job: () => Promise<Failure | null>): Promise<void> {
    if (doing) return;
    setDoing(kind);
    setProblem(null);
    try {
      const failure = await job();
      setProblem(failure && sentenceOf(failure));
    } catch (thrown) {
      setProblem(sentenceOf(thrown));
    }
    setDoing(null);
  }
  async function send(file: File): Promise<Failure | null> {
    setProgress(0);
    const sent = await upload(file, { onProgress: (bytes) => setProgress(bytes / file.size) });
    return 'code' in sent ? sent : setPicture(sent.id);
  }
  function take(file: File): void {
    const most = server.value?.limits.maxAttachmentBytes ?? Number.POSITIVE_INFINITY;
    if (file.size > most) setProblem(files.tooBig(sizeOf(file.size), sizeOf(most)));
    else void run('sending', () => send(file));
  }

  return (
    <div class="row-btns face">
      <PersonPicture id={state.value.meId} size="l" />
      <div class="field grow">
        <div class="row-btns">
          <button class="btn small" type="button" ref={choose} aria-busy={doing === 'sending'} onClick={() => doing || input.current?.click()}>
            {doing === 'sending' ? you.pictureSending : has ? you.pictureOther : you.pictureChoose}
          </button>
          {has && (
            <button
              class="btn small text"
              type="button"
              aria-busy={doing === 'removing'}
              onClick={() => {
                // This button goes with the picture.
                choose.current?.focus();
                void run('removing', () => setPicture(null));
              }}
            >
              {you.pictureRemove}
            </button>
          )}
        </div>
        <input
          hidden
          type="file"
          accept="image/jpeg,image/png,image/gif,image/webp,image/avif"
          aria-label={you.pictureChoose}
          ref={input}
          onChange={(event) => {
            const [file] = event.currentTarget.files ?? [];
            if (file) take(file);
            event.currentTarget.value = '';
          }}
        />
        {doing === 'sending' ? <progress value={progress} aria-label={you.pictureSending} /> : problem ? <FormError>{problem}</FormError> : <p class="hint">{you.pictureHint}</p>}
      </div>
    </div>
  );
}
