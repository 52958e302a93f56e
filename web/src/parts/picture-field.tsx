/** A picture for somebody or something: chosen here, sent when the form is. */
import type { ComponentChildren } from 'preact';
import { useEffect, useRef, useState } from 'preact/hooks';
import { server } from '../store.ts';
import { texts } from '../texts/texts.ts';
import { sizeOf } from '../texts/times.ts';
import { Icon } from './icon.tsx';

/** A new one, the one that there is, or none. */
export type PictureChange = File | 'same' | 'none';

/** `face`: what is shown as long as nothing else is chosen; `has`: whether that is a picture. */
export function PictureField({
  name,
  face,
  has,
  room = false,
  value,
  onChange,
  error,
}: {
  name: string;
  face: ComponentChildren;
  has: boolean;
  room?: boolean;
  value: PictureChange;
  onChange: (value: PictureChange) => void;
  error?: string | undefined;
}) {
  const input = useRef<HTMLInputElement>(null);
  const [shown, setShown] = useState<string | null>(null);
  const [tooBig, setTooBig] = useState<string | null>(null);
  const { rooms: words } = texts.value;
  const most = server.value?.limits.maxAttachmentBytes ?? 0;

  useEffect(() => {
    if (!(value instanceof File)) return;
    const address = URL.createObjectURL(value);
    setShown(address);
    return () => {
      setShown(null);
      URL.revokeObjectURL(address);
    };
  }, [value]);
  if (most === 0) return null;

  function choose(file: File | undefined): void {
    if (!file) return;
    setTooBig(file.size > most ? words.fileTooBig(sizeOf(file.size), sizeOf(most)) : null);
    if (file.size <= most) onChange(file);
  }
  const isThere = value instanceof File || (has && value === 'same');
  const wrong = tooBig ?? error;
  return (
    <div class="row-btns face">
      {shown ? (
        <span class={room ? 'av l room' : 'av l'}>
          <img src={shown} alt="" width="80" height="80" />
        </span>
      ) : (
        face
      )}
      <div class="field">
        <div class="row-btns">
          <button class="btn small" type="button" aria-invalid={wrong ? true : undefined} aria-describedby={`${name}-below`} onClick={() => input.current?.click()}>
            {isThere ? words.otherPicture : words.choosePicture}
          </button>
          {isThere && (
            <button class="btn small text" type="button" onClick={() => onChange(has ? 'none' : 'same')}>
              {words.removePicture}
            </button>
          )}
        </div>
        <input
          ref={input}
          type="file"
          name={name}
          hidden
          accept="image/jpeg,image/png,image/gif,image/webp,image/avif"
          onChange={(event) => {
            choose(event.currentTarget.files?.[0]);
            event.currentTarget.value = '';
          }}
        />
        {wrong ? (
          <p class="err" id={`${name}-below`}>
            <Icon name="warn" class="s" />
            {wrong}
          </p>
        ) : (
          <p class="hint" id={`${name}-below`}>
            {words.pictureHint}
          </p>
        )}
      </div>
    </div>
  );
}
