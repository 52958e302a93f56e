/** Pictures and files of a message. Their boxes are reserved before anything is loaded, so that nothing moves. */

import { fileLinkOf, shownLinkOf } from '../../links.ts';
import { Icon } from '../../parts/icon.tsx';
import type { Attachment } from '../../state/state.ts';
import { personOf } from '../../store.ts';
import { texts } from '../../texts/texts.ts';
import { sizeOf } from '../../texts/times.ts';

export function Attachments({ of, from }: { of: readonly Attachment[]; from: string }) {
  if (of.length === 0) return null;
  const pictures = of.filter(({ image }) => image);
  return (
    <>
      {pictures.length > 0 && (
        <div class={pictures.length > 1 ? 'shots two-up' : 'shots'}>
          {pictures.map((each) => (
            <Picture key={each.id} of={each} from={from} />
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

function Picture({ of, from }: { of: Attachment; from: string }) {
  const [width, height] = [of.image?.width ?? 400, of.image?.height ?? 300];
  const shape = width > height * 2 ? 'wide' : height > width ? 'tall' : '';
  const name = personOf(from)?.displayName ?? '';
  const link = shownLinkOf(of.id);
  return (
    <a href={fileLinkOf(of.id) ?? undefined} target="_blank" rel="noopener noreferrer">
      <img class={`shot ${shape}`} src={link ?? undefined} width={width} height={height} alt={of.fileName || texts.value.message.pictureFrom(name)} loading="lazy" />
    </a>
  );
}

function File({ of }: { of: Attachment }) {
  const cut = Math.max(0, of.fileName.length - 12);
  const kind = /\.([a-z0-9]{1,4})$/i.exec(of.fileName)?.[1]?.toUpperCase() ?? '';
  return (
    <div class="file">
      <span class="kind" aria-hidden="true">
        {kind}
      </span>
      <p class="fn" dir="auto">
        <span>{of.fileName.slice(0, cut)}</span>
        <span>{of.fileName.slice(cut)}</span>
      </p>
      <small>{sizeOf(of.size)}</small>
      <a class="ib" href={fileLinkOf(of.id) ?? undefined} download={of.fileName} aria-label={`${texts.value.common.save} ${of.fileName}`}>
        <Icon name="save" />
      </a>
    </div>
  );
}
