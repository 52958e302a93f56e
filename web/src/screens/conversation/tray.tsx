/** The files of a message that is being written: on their way with how far they are, stopped and going on, ready. */
import { effect } from '@preact/signals';
import { ask } from '../../ask.ts';
import type { UploadedQuery, UploadedQueryVariables } from '../../generated/graphql.ts';
import { operation } from '../../operation.ts';
import { alarm, announce } from '../../parts/announcer.tsx';
import { Icon } from '../../parts/icon.tsx';
import type { Attachment } from '../../state/state.ts';
import { line, server } from '../../store.ts';
import { sentenceOf } from '../../texts/errors.ts';
import { texts } from '../../texts/texts.ts';
import { percentOf, sizeOf } from '../../texts/times.ts';
import { keepUploaded, setTray, type TrayFile, trayOf, trays, uploadedOf } from '../../trays.ts';
import { upload } from '../../uploads.ts';
import { FileName, Kind } from './attachments.tsx';

const uploadedDocument = operation<UploadedQuery, UploadedQueryVariables>(/* GraphQL */ `
  query Uploaded($ids: [ID!]!) { nodes(ids: $ids) { __typename ... on Attachment { id fileName contentType size image { id width height } } } }
`);
const mostAtOnce = 3;

/** Of what is on its way. */
const stops = new Map<string, AbortController>();

/** What does not fit says why, in its place. */
export function addFiles(chatId: string, files: readonly File[]): void {
  const { files: words } = texts.value;
  const { maxAttachmentBytes: most = Number.POSITIVE_INFINITY, maxAttachmentsPerMessage: mostFiles = 10 } = server.value?.limits ?? {};
  const before = trayOf(chatId);
  const room = Math.max(0, mostFiles - before.length);
  const added = files.slice(0, room).map((file): TrayFile => {
    const why = file.size > most ? words.tooBig(sizeOf(file.size), sizeOf(most)) : file.size === 0 ? words.empty : null;
    return { key: crypto.randomUUID(), name: file.name, size: file.size, file, is: why ? 'refused' : 'waiting', sent: 0, why, attachment: null };
  });
  setTray(chatId, [...before, ...added]);
  for (const { name, why } of added) if (why) alarm(`${name}: ${why}`);
  if (files.length > room) alarm(words.tooMany(mostFiles));
  pump();
}

/** The server lets go of files that were never sent: those have no place here any more. */
async function checkRestored(): Promise<void> {
  const ready = [...trays.peek()].flatMap(([chatId, files]) =>
    files.flatMap(({ is, key, attachment }) => (is === 'ready' && attachment ? { chatId, key, id: attachment.id } : [])),
  );
  if (ready.length === 0) return;
  const { nodes } = await ask(uploadedDocument, { ids: ready.slice(0, 100).map(({ id }) => id) });
  ready.forEach(({ chatId, key }, index) => {
    if (nodes[index] === null)
      setTray(
        chatId,
        trayOf(chatId).filter((each) => each.key !== key),
      );
  });
}

/** Out of a message that was not sent, back to where it was written. */
export async function putBackFiles(chatId: string, ids: readonly string[]): Promise<void> {
  let attachments: Attachment[] = uploadedOf(ids);
  if (attachments.length < ids.length) {
    const { nodes } = await ask(uploadedDocument, { ids: [...ids] }).catch(() => ({ nodes: [] }));
    attachments = nodes.flatMap((node) => (node?.__typename === 'Attachment' ? node : []));
  }
  const ready = attachments.map(
    (attachment): TrayFile => ({ key: attachment.id, name: attachment.fileName, size: attachment.size, file: null, is: 'ready', sent: attachment.size, why: null, attachment }),
  );
  for (const attachment of attachments) keepUploaded(attachment);
  setTray(chatId, [...trayOf(chatId).filter(({ key }) => !ids.includes(key)), ...ready]);
}

function change(chatId: string, key: string, to: Partial<TrayFile>): void {
  setTray(
    chatId,
    trayOf(chatId).map((each) => (each.key === key ? { ...each, ...to } : each)),
  );
}

/** The next ones begin, a few at once. */
function pump(): void {
  for (const [chatId, files] of trays.value)
    for (const each of files) {
      if (stops.size >= mostAtOnce) return;
      if (each.is === 'waiting' && each.file && !stops.has(each.key)) void send(chatId, each.key, each.file);
    }
}

async function send(chatId: string, key: string, file: File): Promise<void> {
  const { files: words } = texts.value;
  const stop = new AbortController();
  stops.set(key, stop);
  change(chatId, key, { is: 'sending', sent: 0, why: null });
  try {
    const result = await upload(file, { signal: stop.signal, onProgress: (sent) => change(chatId, key, { sent }) });
    if ('code' in result) {
      const why = sentenceOf(result);
      change(chatId, key, { is: 'refused', why });
      alarm(`${file.name}: ${why}`);
    } else {
      keepUploaded(result);
      change(chatId, key, { is: 'ready', sent: file.size, attachment: result, name: result.fileName });
      announce(words.here(result.fileName));
    }
  } catch (thrown) {
    if (!stop.signal.aborted) {
      change(chatId, key, { is: 'stopped', why: sentenceOf(thrown) });
      alarm(`${file.name}: ${sentenceOf(thrown)}`);
    }
  }
  stops.delete(key);
  pump();
}

function goOn(chatId: string, key: string): void {
  change(chatId, key, { is: 'waiting', why: null });
  pump();
}

// What is in no tray any more does not go on; what the line stopped does when it is back.
effect(() => {
  const keys = new Set([...trays.value.values()].flat().map(({ key }) => key));
  for (const [key, stop] of stops) if (!keys.has(key)) stop.abort();
});
effect(() => {
  if (line.value === 'on') goOnAll();
});
addEventListener('online', goOnAll);
void checkRestored().catch(() => {});

function goOnAll(): void {
  for (const [chatId, files] of trays.peek()) for (const { key, is } of files) if (is === 'stopped') goOn(chatId, key);
}

export function Tray({ chatId }: { chatId: string }) {
  const { files: words } = texts.value;
  const files = trayOf(chatId);

  function remove(key: string, at: number): void {
    setTray(
      chatId,
      files.filter((each) => each.key !== key),
    );
    requestAnimationFrame(() => {
      const buttons = document.querySelectorAll<HTMLElement>('.tray .file > .ib');
      (buttons[Math.min(at, buttons.length - 1)] ?? document.getElementById('box'))?.focus();
    });
  }
  return (
    <ul class="tray" aria-label={words.tray}>
      {files.map((each, at) => (
        <li class="file" key={each.key}>
          <Kind of={each.name} />
          <FileName>{each.name}</FileName>
          <State of={each} goOn={() => goOn(chatId, each.key)} />
          <button
            class="ib"
            type="button"
            aria-label={(each.is === 'sending' ? words.stop : words.remove)(each.name)}
            title={(each.is === 'sending' ? words.stop : words.remove)(each.name)}
            onClick={() => remove(each.key, at)}
          >
            <Icon name="close" />
          </button>
          <progress
            value={each.size === 0 ? 0 : each.sent / each.size}
            data-idle={each.is === 'ready' || each.is === 'refused' ? '' : undefined}
            aria-label={words.progress(each.name)}
          />
        </li>
      ))}
    </ul>
  );
}

function State({ of: { is, name, sent, size, why }, goOn }: { of: TrayFile; goOn: () => void }) {
  const { files: words } = texts.value;
  if (is === 'ready') return <small>{sizeOf(size)}</small>;
  if (is === 'waiting') return <small>{words.waiting}</small>;
  if (is === 'sending') return <small>{sent === 0 ? words.sending : words.sent(sizeOf(sent), sizeOf(size))}</small>;
  if (is === 'refused') return <small class="err">{why}</small>;
  return (
    <small class="err" title={why ?? undefined}>
      {words.stopped(percentOf(sent / size))}{' '}
      <button class="link" type="button" aria-label={words.goOnWith(name)} onClick={goOn}>
        {words.goOn}
      </button>
    </small>
  );
}
