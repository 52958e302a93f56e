/** The settings of a room as fields of a form, and back. What does not go together cannot be chosen together. */
import type { ComponentChildren } from 'preact';
import { useId, useState } from 'preact/hooks';
import { Field, FormError, PasswordField } from '../../parts/fields.tsx';
import { Face } from '../../parts/picture.tsx';
import { type PictureChange, PictureField } from '../../parts/picture-field.tsx';
import type { Room } from '../../state/state.ts';
import type { Failure } from '../../state/types.ts';
import { texts } from '../../texts/texts.ts';
import { upload } from '../../uploads.ts';

const mostName = 80;
const mostTopic = 500;
const mostCapacity = 1_000_000;

/** `room`: the one that is changed; null for a new one. `children` stand before the door. */
export function RoomFields({
  room,
  errors,
  picture,
  onPicture,
  children,
}: {
  room: Room | null;
  errors: Record<string, string>;
  picture: PictureChange;
  onPicture: (picture: PictureChange) => void;
  children?: ComponentChildren;
}) {
  const { rooms: words } = texts.value;
  const topicId = useId();
  const [name, setName] = useState(room?.name ?? '');
  const [topic, setTopic] = useState(room?.topic ?? '');
  const [visibility, setVisibility] = useState(room?.visibility ?? 'PUBLIC');
  const [policy, setPolicy] = useState(room?.postPolicy ?? 'MEMBERS');
  const [everyone, setEveryone] = useState(room?.everyone ?? false);
  const [password, setPassword] = useState('');
  const [open, setOpen] = useState(false);
  const [capacity, setCapacity] = useState(room?.capacity?.toString() ?? '');
  const locked = password !== '' || (room?.passwordRequired === true && !open);
  const canBeForEveryone = visibility === 'PUBLIC' && !locked && capacity.trim() === '';
  const canBeOpen = visibility === 'PUBLIC' && !locked;
  const isForEveryone = everyone && canBeForEveryone;
  const length = [...topic].length;
  return (
    <>
      <fieldset class="split">
        <legend>{words.theRoom}</legend>
        <div class="stack">
          <PictureField
            name="avatarAttachmentId"
            room
            face={<Face id={room?.id ?? ''} name={name} imageId={picture === 'none' ? null : (room?.avatar?.id ?? null)} size="l" room />}
            has={Boolean(room?.avatar)}
            value={picture}
            onChange={onPicture}
            error={errors.avatarAttachmentId}
          />
          <Field
            label={words.name}
            name="name"
            required
            autofocus={room === null}
            maxLength={mostName}
            autocomplete="off"
            value={name}
            onInput={(event) => setName(event.currentTarget.value)}
            error={errors.name}
          />
          <div class="field">
            <label for={topicId}>
              {words.topic} <span class="opt">{texts.value.common.optional}</span>
            </label>
            <textarea
              class="input"
              id={topicId}
              name="topic"
              rows={2}
              dir="auto"
              value={topic}
              aria-invalid={errors.topic || length > mostTopic ? true : undefined}
              aria-describedby={`${topicId}-below`}
              onInput={(event) => setTopic(event.currentTarget.value)}
            />
            <p class={length > mostTopic ? 'err num' : 'hint num'} id={`${topicId}-below`}>
              {errors.topic ?? words.topicCount(length, mostTopic)}
            </p>
          </div>
          <Field
            label={words.link}
            name="link"
            optional
            autocomplete="off"
            autocapitalize="none"
            spellcheck={false}
            defaultValue={room?.link ?? ''}
            maxLength={300}
            hint={words.linkHint}
            error={errors.link}
          />
        </div>
      </fieldset>
      <fieldset class="split">
        <legend>{words.whoKnows}</legend>
        <div class="choices">
          <Choice
            type="radio"
            name="visibility"
            value="PUBLIC"
            checked={visibility === 'PUBLIC'}
            onChange={() => setVisibility('PUBLIC')}
            hint={locked ? words.publicPasswordHint : words.publicHint}
          >
            {words.public}
          </Choice>
          <Choice type="radio" name="visibility" value="PRIVATE" checked={visibility === 'PRIVATE'} onChange={() => setVisibility('PRIVATE')} hint={words.privateHint}>
            {words.privateName}
          </Choice>
          <Choice
            type="checkbox"
            name="everyone"
            value="on"
            checked={isForEveryone}
            disabled={!canBeForEveryone}
            onChange={() => setEveryone(!everyone)}
            hint={canBeForEveryone ? words.everyoneHint : words.everyoneOnly}
            invalid={errors.everyone !== undefined}
          >
            {words.everyone}
          </Choice>
          <FormError>{errors.visibility ?? errors.everyone}</FormError>
        </div>
      </fieldset>
      <fieldset class="split">
        <legend>{words.whoWrites}</legend>
        <div class="choices">
          <Choice type="radio" name="postPolicy" value="MEMBERS" checked={policy === 'MEMBERS' || !canBeOpen} onChange={() => setPolicy('MEMBERS')}>
            {words.membersWrite}
          </Choice>
          <Choice
            type="radio"
            name="postPolicy"
            value="ANYONE"
            checked={policy === 'ANYONE' && canBeOpen}
            disabled={!canBeOpen}
            onChange={() => setPolicy('ANYONE')}
            hint={words.anyoneHint}
          >
            {words.anyoneWrites}
          </Choice>
          <FormError>{errors.postPolicy}</FormError>
        </div>
      </fieldset>
      <fieldset class="split">
        <legend>{words.whoPins}</legend>
        <div class="field">
          <select class="input" name="pinPolicy" aria-label={words.whoPins} defaultValue={room?.pinPolicy ?? 'ADMINS'}>
            {rights.map((right) => (
              <option key={right} value={right} selected={right === (room?.pinPolicy ?? 'ADMINS')}>
                {words.rights[right]}
              </option>
            ))}
          </select>
        </div>
      </fieldset>
      {children}
      <fieldset class="split">
        <legend>{words.door}</legend>
        <div class="stack">
          <div class="two">
            <PasswordField
              label={room?.passwordRequired ? words.newPassword : words.password}
              name="password"
              optional
              autocomplete="new-password"
              maxLength={128}
              value={password}
              disabled={open || isForEveryone}
              onInput={(event) => setPassword(event.currentTarget.value)}
              hint={room?.passwordRequired ? words.newPasswordHint : undefined}
              error={errors.password}
            />
            <Field
              label={words.capacity}
              name="capacity"
              optional
              inputMode="numeric"
              autocomplete="off"
              placeholder={words.noLimit}
              value={capacity}
              disabled={isForEveryone}
              onInput={(event) => setCapacity(event.currentTarget.value)}
              error={errors.capacity}
            />
          </div>
          {room?.passwordRequired && (
            <div class="choices">
              <Choice
                type="checkbox"
                name="noPassword"
                value="on"
                checked={open}
                onChange={() => {
                  setPassword('');
                  setOpen(!open);
                }}
              >
                {words.noPassword}
              </Choice>
            </div>
          )}
        </div>
      </fieldset>
    </>
  );
}

function Choice({
  children,
  hint,
  invalid = false,
  ...input
}: {
  type: 'radio' | 'checkbox';
  name: string;
  value: string;
  checked: boolean;
  disabled?: boolean;
  onChange: () => void;
  hint?: string;
  invalid?: boolean;
  children: ComponentChildren;
}) {
  return (
    <label class="choice">
      <input {...input} aria-invalid={invalid ? true : undefined} />
      <b>{children}</b>
      {hint && <span class="hint">{hint}</span>}
    </label>
  );
}

const rights = ['ADMINS', 'MEMBERS_WHILE_SMALL', 'MEMBERS', 'NOBODY'] as const;

export type Settings = {
  name: string;
  topic: string | null;
  link: string | null;
  visibility: Room['visibility'];
  postPolicy: Room['postPolicy'];
  pinPolicy: Room['pinPolicy'];
  everyone: boolean;
  capacity: number | null;
  /** Undefined: as it is. */
  password?: string | null;
};

/** What the fields say, or what is wrong with them already here. */
export function settingsOf(values: Record<string, string>): Settings | Failure {
  const { name = '', topic = '', link = '', capacity = '', password = '' } = values;
  // Digits in any of the ways people write a large number.
  const most = capacity.replaceAll(/[\s.,'’_]/g, '');
  if (most !== '' && !(/^\d+$/.test(most) && Number(most) >= 1 && Number(most) <= mostCapacity)) return wrong('capacity', 'range');
  if (name.trim() === '') return wrong('name', 'required');
  return {
    name: name.trim(),
    topic: topic.trim() || null,
    link: link.trim() || null,
    visibility: values.visibility === 'PRIVATE' ? 'PRIVATE' : 'PUBLIC',
    postPolicy: values.postPolicy === 'ANYONE' ? 'ANYONE' : 'MEMBERS',
    pinPolicy: rights.find((right) => right === values.pinPolicy) ?? 'ADMINS',
    everyone: values.everyone === 'on',
    capacity: most === '' ? null : Number(most),
    ...(values.noPassword === 'on' ? { password: null } : password === '' ? {} : { password }),
  };
}

const sent = new WeakMap<File, string>();

/** The id of a picture that was chosen; once sent it is not sent again. */
export async function sendPicture(file: File): Promise<string | Failure> {
  const known = sent.get(file);
  if (known) return known;
  const result = await upload(file);
  if ('code' in result) return result.__typename === 'ValidationError' ? wrong('avatarAttachmentId', 'image') : result;
  sent.set(file, result.id);
  return result.id;
}

/** What concerns one field stands beside it. */
export const besideField = (failure: Failure | null): Failure | null =>
  failure?.__typename === 'ForbiddenError' && failure.forbiddenReason === 'NOT_AN_OPERATOR' ? wrong('everyone', 'operator') : failure;

const wrong = (field: string, rule: string): Failure => ({
  __typename: 'ValidationError',
  code: 'VALIDATION_FAILED',
  errorMessage: '',
  fields: [{ path: [field], rule, message: '' }],
});
