/** Who has read a message, and how many have it unread. */
import { useEffect, useState } from 'preact/hooks';
import { ask } from '../../ask.ts';
import type { ReadersQuery, ReadersQueryVariables } from '../../generated/graphql.ts';
import { operation } from '../../operation.ts';
import { Dialog } from '../../parts/dialog.tsx';
import { FormError } from '../../parts/fields.tsx';
import { PersonPicture } from '../../parts/picture.tsx';
import { withPeople } from '../../state/merge.ts';
import type { Message } from '../../state/state.ts';
import { personOf, readInto } from '../../store.ts';
import { sentenceOf } from '../../texts/errors.ts';
import { texts } from '../../texts/texts.ts';

const readersDocument = operation<ReadersQuery, ReadersQueryVariables>(/* GraphQL */ `
  query Readers($id: ID!, $after: String) {
    message(id: $id) {
      readCount deliveredCount
      readBy(first: 50, after: $after) { nodes { user { ...PersonFields } } pageInfo { hasNextPage endCursor } }
    }
  }
`);

type Found = { ids: readonly string[]; read: number; unread: number; after: string | null };

export function Readers({ message, onClose }: { message: Message; onClose: () => void }) {
  const { message: words, rooms, common } = texts.value;
  const [found, setFound] = useState<Found | null>(null);
  const [problem, setProblem] = useState<string | null>(null);
  useEffect(() => void read(null), []);

  async function read(after: string | null): Promise<void> {
    setProblem(null);
    try {
      const { message: told } = await readInto(
        () => ask(readersDocument, { id: message.id, after }),
        (before, data) => withPeople(before, data.message?.readBy.nodes.map(({ user }) => user) ?? []),
      );
      const { readBy, readCount = 0, deliveredCount = 0 } = told ?? {};
      const next = readBy?.pageInfo.hasNextPage ? readBy.pageInfo.endCursor : null;
      const known = after === null ? [] : (found?.ids ?? []);
      setFound({ ids: [...known, ...(readBy?.nodes.map(({ user }) => user.id) ?? [])], read: readCount, unread: deliveredCount - readCount, after: next });
    } catch (thrown) {
      setProblem(sentenceOf(thrown));
    }
  }

  return (
    <Dialog title={found && found.read > 0 ? words.readBy(found.read) : words.whoRead} onClose={onClose}>
      <FormError>{problem}</FormError>
      {found && (
        <ul class="people readers">
          {found.ids.map((id) => (
            <li key={id} class="person">
              <PersonPicture id={id} />
              <bdi class="n clip">{personOf(id)?.displayName}</bdi>
            </li>
          ))}
        </ul>
      )}
      <p class="hint" role="status">
        {found?.read === 0 && `${words.nobodyRead} `}
        {found && found.unread > 0 && words.unreadBy(found.unread)}
      </p>
      <div class="row-btns">
        {problem && (
          <button class="btn" type="button" onClick={() => void read(found?.after ?? null)}>
            {common.tryAgain}
          </button>
        )}
        {found?.after && (
          <button class="btn" type="button" onClick={() => void read(found.after)}>
            {rooms.showMore}
          </button>
        )}
        <button class="btn text" type="button" autofocus onClick={onClose}>
          {common.close}
        </button>
      </div>
    </Dialog>
  );
}
