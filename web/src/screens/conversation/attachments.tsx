/** Pictures and files of a message. Their boxes are there before anything is loaded, so that nothing moves. */
import type { TargetedMouseEvent } from 'preact';
import { useState } from 'preact/hooks';
import { askAgain, fileLinkOf, freshFileLink, shownLinkOf } from '../../links.ts';
import { alarm } from '../../parts/announcer.tsx';
import { Icon } from '../../parts/icon.tsx';
import type { Attachment } from '../../state/state.ts';
import { personOf } from '../../store.ts';
import { texts } from '../../texts/texts.ts';
import { sizeOf } from '../../texts/times.ts';

const mostShown = 4;
/** The server may be busy making a picture smaller, or the link has run out. */
const mostTries = 5;

export function Attachments({ of, from }: { of: readonly Attachment[]; from: string }) {
  if (of.length === 0) return null;
  const pictures = of.filter(({ image }) => image);
  const more = pictures.length - mostShown;
  return (
    <>
      {pictures.length > 0 && (
        <div class={pictures.length > 1 ? 'shots two-up' : 'shots'}>
          {pictures.slice(0, mostShown).map((each, index) => (
            <Picture key={each.id} of={each} from={from} alone={pictures.length === 1} more={index === mostShown - 1 ? more : 0} />
          ))}
        </div>
      )}
      {of
        .filter(({ image }) => !image)
        .map((each) => (
          <File key={each.id} of={each} />
        ))}
    </>
  );
}

function Picture({ of, from, alone, more }: { of: Attachment; from: string; alone: boolean; more: number }) {
  const { files: words } = texts.value;
  const [tries, setTries] = useState(0);
  const again = (): void => {
    askAgain(of.id);
    setTries(tries + 1);
  };
  const link = shownLinkOf(of.id);
  const [width, height] = boxOf(of.image?.width ?? 400, of.image?.height ?? 300);
  return (
    <button type="button" aria-label={more > 0 ? words.openMore(more) : words.open(pictureName(of, from))} onClick={() => void look(of)}>
      {alone && <svg width={width} height={height} viewBox={`0 0 ${width} ${height}`} aria-hidden="true" />}
      {link && (
        <img
          key={tries}
          class="shot"
          src={link}
          alt=""
          draggable={false}
          ref={(image) => {
            if (image?.complete && image.naturalWidth > 0) image.dataset.here = '';
          }}
          onLoad={({ currentTarget }) => (currentTarget.dataset.here = '')}
          onError={() => {
            if (tries < mostTries) setTimeout(again, 1_000 * 2 ** tries);
          }}
        />
      )}
      {more > 0 && (
        <span class="more" aria-hidden="true">
          +{more}
        </span>
      )}
    </button>
  );
}

/** The longer side 352, an upright one 224 wide, a panorama 448; never larger than the picture, and never a sliver. */
function boxOf(width: number, height: number): [number, number] {
  const most = height > width ? 224 : width > 2 * height ? 448 : 352;
  const shown = Math.max(48, Math.min(width, most));
  return [Math.round(shown), Math.round(Math.min(400, Math.max(48, (shown * height) / width)))];
}

/** Its file name, unless a camera or a clipboard has given it. */
export function pictureName({ fileName }: Attachment, from: string): string {
  const saysNothing = /^(image|img|photo|picture|bild|screenshot|dsc|dscn|pxl|pasted)?[\W_\d]*(\.\w+)?$/i.test(fileName);
  return saysNothing ? texts.value.message.pictureFrom(personOf(from)?.displayName ?? '') : fileName;
}

async function look(of: Attachment): Promise<void> {
  try {
    (await import('./viewer.tsx')).openViewer(of);
  } catch {
    alarm(texts.value.problems.offline);
  }
}

function File({ of }: { of: Attachment }) {
  return (
    <div class="file">
      <Kind of={of.fileName} />
      <FileName>{of.fileName}</FileName>
      <small>{sizeOf(of.size)}</small>
      <SaveLink of={of} label={texts.value.files.save(of.fileName)} />
    </div>
  );
}

/** A link that may have run out by the time it is used: then another one is asked for first. */
export function SaveLink({ of, label }: { of: Attachment; label: string }) {
  async function save(event: TargetedMouseEvent<HTMLAnchorElement>): Promise<void> {
    event.preventDefault();
    const link = await freshFileLink(of.id).catch(() => null);
    if (!link) return alarm(texts.value.problems.offline);
    const anchor = document.createElement('a');
    anchor.href = link;
    anchor.download = of.fileName;
    anchor.click();
  }
  return (
    <a class="ib" href={fileLinkOf(of.id) ?? '#'} download={of.fileName} aria-label={label} title={label} onClick={save}>
      <Icon name="save" />
    </a>
  );
}

export function Kind({ of }: { of: string }) {
  return (
    <span class="kind" aria-hidden="true">
      {/\.([a-z0-9]{1,4})$/i.exec(of)?.[1]?.toUpperCase() ?? <Icon name="clip" class="s" />}
    </span>
  );
}

/** Cut in the middle, so that its ending shows. */
export function FileName({ children }: { children: string }) {
  const cut = Math.max(0, children.length - 12);
  return (
    <p class="fn" dir="auto" title={children}>
      <span>{children.slice(0, cut)}</span>
      <span>{children.slice(cut)}</span>
    </p>
  );
}
