/** Pictures, as large as the window: the others of the chat beside it, larger and smaller, by keys, mouse and fingers. */
import { render } from 'preact';
import { useEffect, useId, useLayoutEffect, useRef, useState } from 'preact/hooks';
import { ask } from '../../ask.ts';
import type { LargePictureQuery, LargePictureQueryVariables } from '../../generated/graphql.ts';
import { shownLinkOf } from '../../links.ts';
import { operation } from '../../operation.ts';
import { Icon } from '../../parts/icon.tsx';
import type { Attachment, Message } from '../../state/state.ts';
import { personOf, state } from '../../store.ts';
import { texts } from '../../texts/texts.ts';
import { dayNameOf, sizeOf, timeOf } from '../../texts/times.ts';
import { pictureName, SaveLink } from './attachments.tsx';
import { useZoom } from './zoom.ts';

const largeDocument = operation<LargePictureQuery, LargePictureQueryVariables>(/* GraphQL */ `
  query LargePicture($id: ID!) { node(id: $id) { __typename ... on Attachment { id image { id url } } } }
`);

type Shown = { attachment: Attachment; message: Message | null };

export function openViewer(attachment: Attachment): void {
  const place = document.createElement('div');
  document.body.append(place);
  const all = picturesBeside(attachment);
  const start = Math.max(
    0,
    all.findIndex((each) => each.attachment.id === attachment.id),
  );
  const close = (): void => {
    render(null, place);
    place.remove();
  };
  render(<Viewer all={all} start={start} close={close} />, place);
}

/** All of its chat that are loaded, in their order. */
function picturesBeside(attachment: Attachment): Shown[] {
  for (const { messages } of state.value.chats.values()) {
    const all = [...messages.values()]
      .filter((message) => message.attachments.length > 0)
      .sort((a, b) => a.seq - b.seq)
      .flatMap((message) => message.attachments.filter(({ image }) => image).map((each) => ({ attachment: each, message })));
    if (all.some((each) => each.attachment.id === attachment.id)) return all;
  }
  return [{ attachment, message: null }];
}

function Viewer({ all, start, close }: { all: readonly Shown[]; start: number; close: () => void }) {
  const { files: words } = texts.value;
  const [at, setAt] = useState(start);
  const dialog = useRef<HTMLDialogElement>(null);
  const stage = useRef<HTMLDivElement>(null);
  const id = useId();
  const { attachment, message } = all[at] as Shown;
  const from = message?.senderId ?? state.value.meId;
  const large = useLarge(attachment.id);
  const link = large ?? shownLinkOf(attachment.id);
  const move = (by: number): void => setAt((now) => Math.min(all.length - 1, Math.max(0, now + by)));
  const zoom = useZoom(stage, { swiped: move, pulledDown: () => dialog.current?.close() });
  useLayoutEffect(() => {
    dialog.current?.showModal();
  }, []);
  useLayoutEffect(() => zoom.reset(), [at]);

  function keyed(event: KeyboardEvent): void {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    // Here it goes no further than the viewer.
    event.stopPropagation();
    const arrows = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
    if (arrows?.[0] !== undefined && zoom.isLarge()) zoom.pan(-80 * arrows[0], -80 * (arrows[1] ?? 0));
    else if (arrows?.[0]) move(arrows[0]);
    else if (event.key === 'Escape') dialog.current?.close();
    else if (event.key === 'PageUp' || event.key === 'PageDown') move(event.key === 'PageUp' ? -1 : 1);
    else if (event.key === 'Home') setAt(0);
    else if (event.key === 'End') setAt(all.length - 1);
    else if (event.key === '+' || event.key === '=') zoom.by(1.5);
    else if (event.key === '-') zoom.by(1 / 1.5);
    else if (event.key === '0') zoom.reset();
    else return;
    event.preventDefault();
  }

  const name = pictureName(attachment, from);
  const about = [
    all.length > 1 ? words.place(at + 1, all.length) : null,
    personOf(from)?.displayName,
    message && `${dayNameOf(message.createdAt)}, ${timeOf(message.createdAt)}`,
    sizeOf(attachment.size),
  ];
  return (
    <dialog class="viewer" ref={dialog} aria-labelledby={id} onClose={close} onKeyDown={keyed}>
      <header class="bar">
        <div class="head">
          <div role="status">
            <h1 id={id}>
              <bdi>{name}</bdi>
            </h1>
            <p>{about.filter(Boolean).join(' · ')}</p>
          </div>
        </div>
        <button class="ib wide-only" type="button" aria-label={words.zoomOut} title={`${words.zoomOut} (-)`} onClick={() => zoom.by(1 / 1.5)}>
          <Icon name="minus" />
        </button>
        <button class="ib wide-only" type="button" aria-label={words.zoomIn} title={`${words.zoomIn} (+)`} onClick={() => zoom.by(1.5)}>
          <Icon name="plus" />
        </button>
        <SaveLink of={attachment} label={words.savePicture} />
        <button class="ib" type="button" autofocus aria-label={words.closeViewer} title={words.closeViewer} onClick={() => dialog.current?.close()}>
          <Icon name="close" />
        </button>
      </header>
      <figure>
        <button class="ib" type="button" aria-label={words.earlier} aria-disabled={at === 0} onClick={() => move(-1)}>
          <Icon name="back" class="flip" />
        </button>
        <div class="stage" ref={stage}>
          {link && <img key={attachment.id} src={link} width={attachment.image?.width ?? undefined} height={attachment.image?.height ?? undefined} alt={name} draggable={false} />}
        </div>
        <button class="ib" type="button" aria-label={words.later} aria-disabled={at === all.length - 1} onClick={() => move(1)}>
          <Icon name="next" class="flip" />
        </button>
      </figure>
      <p class="caption" dir="auto">
        {message?.text ?? ''}
      </p>
    </dialog>
  );
}

/** The largest there is, once it can be drawn at once; until then what the message shows. */
function useLarge(id: string): string | null {
  const [large, setLarge] = useState<{ id: string; url: string } | null>(null);
  useEffect(() => {
    let left = false;
    void ask(largeDocument, { id })
      .then(async ({ node }) => {
        if (node?.__typename !== 'Attachment' || !node.image) return;
        const image = new Image();
        image.src = node.image.url;
        await image.decode();
        if (!left) setLarge({ id, url: image.src });
      })
      .catch(() => {});
    return () => {
      left = true;
    };
  }, [id]);
  return large?.id === id ? large.url : null;
}
