/** A room seen from outside: who is no member reads a public one and may join; who was removed finds what they had written. */
import { useEffect, useRef, useState } from 'preact/hooks';
import { ask } from '../../ask.ts';
import { draftOf } from '../../drafts.ts';
import type { JoinMutation, JoinMutationVariables } from '../../generated/graphql.ts';
import { operation } from '../../operation.ts';
import { FormError, PasswordField } from '../../parts/fields.tsx';
import type { Room } from '../../state/state.ts';
import { readInto, takeChats } from '../../store.ts';
import { isFailure, sentenceOf } from '../../texts/errors.ts';
import { texts } from '../../texts/texts.ts';

const joinDocument = operation<JoinMutation, JoinMutationVariables>(/* GraphQL */ `
  mutation Join($id: ID!, $password: String) {
    joinChat(input: { room: { id: $id }, password: $password }) { __typename ... on JoinChatPayload { room { ...OpenChat } } ...Failure }
  }
`);

/** In the place of the composer. */
export function JoinBar({ room }: { room: Room }) {
  const [busy, setBusy] = useState(false);
  const [problem, setProblem] = useState<string | null>(null);
  const { chat: words } = texts.value;

  async function join(form: HTMLFormElement): Promise<void> {
    if (busy) return;
    setBusy(true);
    try {
      const password = room.passwordRequired ? String(new FormData(form).get('password')) : null;
      const { joinChat: result } = await readInto(
        () => ask(joinDocument, { id: room.id, password }),
        (before, { joinChat }) => (joinChat?.__typename === 'JoinChatPayload' ? takeChats(before, [joinChat.room]) : before),
      );
      setProblem(result && isFailure(result) ? sentenceOf(result) : null);
    } catch (thrown) {
      setProblem(sentenceOf(thrown));
    }
    setBusy(false);
  }

  return (
    <div class="foot column">
      <form
        class="readonly"
        onSubmit={(event) => {
          event.preventDefault();
          void join(event.currentTarget);
        }}
      >
        <p>{room.passwordRequired ? words.onlyMembersRead : words.onlyMembers}</p>
        {room.passwordRequired && <PasswordField label={words.joinPassword} name="password" autocomplete="off" required />}
        <button class="btn primary" type="submit" aria-busy={busy}>
          {busy ? words.joining : words.join}
        </button>
        <FormError>{problem}</FormError>
      </form>
      <div class="under" />
    </div>
  );
}

/** Nobody is there to read it any more. */
export function Gone() {
  return (
    <div class="foot column">
      <div class="readonly">
        <p>{texts.value.chat.deletedAccount}</p>
      </div>
      <div class="under" />
    </div>
  );
}

export function Removed({ chatId, name }: { chatId: string; name: string }) {
  const { chat: words, app } = texts.value;
  const draft = draftOf(chatId);
  const next = useRef<HTMLAnchorElement>(null);
  // What had the focus went with the room.
  useEffect(() => {
    if (document.activeElement === document.body) next.current?.focus();
  }, []);
  return (
    <main class="pane">
      <div />
      <div class="empty">
        <p role="alert">{draft === '' ? words.removed(name) : words.removedDraft(name)}</p>
        {draft !== '' && <textarea class="input" readOnly aria-label={words.draft} value={draft} />}
        <a class="btn" href="/" ref={next}>
          {app.toChats}
        </a>
      </div>
    </main>
  );
}
