/** What a message said before it was changed, for those who may see it: its author, and in a room its owners and admins. */
import { useEffect, useState } from 'preact/hooks';
import { ask } from '../../ask.ts';
import type { RevisionsQuery, RevisionsQueryVariables } from '../../generated/graphql.ts';
import { operation } from '../../operation.ts';
import { Dialog } from '../../parts/dialog.tsx';
import { FormError } from '../../parts/fields.tsx';
import type { Message } from '../../state/state.ts';
import { sentenceOf } from '../../texts/errors.ts';
import { texts } from '../../texts/texts.ts';
import { wholeTimeOf } from '../../texts/times.ts';

const revisionsDocument = operation<RevisionsQuery, RevisionsQueryVariables>(/* GraphQL */ `
  query Revisions($id: ID!) { message(id: $id) { revisions(first: 50) { nodes { version text at } } } }
`);
type Revision = { version: number; text: string | null; at: string };

export function History({ message, onClose }: { message: Message; onClose: () => void }) {
  const { message: words, common } = texts.value;
  const [revisions, setRevisions] = useState<readonly Revision[] | null>(null);
  const [problem, setProblem] = useState<string | null>(null);
  useEffect(
    () =>
      void ask(revisionsDocument, { id: message.id }).then(
        ({ message: found }) => setRevisions(found?.revisions?.nodes ?? []),
        (thrown: unknown) => setProblem(sentenceOf(thrown)),
      ),
    [message.version],
  );
  const all: Revision[] = [...(revisions ?? []), { version: message.version, text: message.text, at: message.editedAt ?? message.createdAt }];
  return (
    <Dialog title={words.history} onClose={onClose}>
      <FormError>{problem}</FormError>
      <ol class="readers revisions" tabIndex={0} aria-label={words.history}>
        {revisions &&
          all.toReversed().map(({ version, text, at }) => (
            <li key={version}>
              <h3>
                <time dateTime={at}>{wholeTimeOf(at)}</time>
                {version === message.version && ` · ${words.now}`}
              </h3>
              <p class="txt" dir="auto">
                {text ?? words.noText}
              </p>
            </li>
          ))}
      </ol>
      <p class="hint" role="status">
        {revisions?.length === 0 ? words.noHistory : ''}
      </p>
      <div class="row-btns">
        <button class="btn text" type="button" autofocus onClick={onClose}>
          {common.close}
        </button>
      </div>
    </Dialog>
  );
}
