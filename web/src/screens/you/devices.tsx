/** Where one is signed in, and ending that elsewhere. */

import { signal } from '@preact/signals';
import { useEffect, useRef, useState } from 'preact/hooks';
import { ask } from '../../ask.ts';
import type { DevicesQuery, EndDeviceMutation, EndDeviceMutationVariables, EndOtherDevicesMutation } from '../../generated/graphql.ts';
import { operation } from '../../operation.ts';
import { confirm } from '../../parts/confirm.tsx';
import { FormError } from '../../parts/fields.tsx';
import { Icon } from '../../parts/icon.tsx';
import { ListBones } from '../../parts/list-bones.tsx';
import { line } from '../../store.ts';
import { isFailure, sentenceOf } from '../../texts/errors.ts';
import { texts } from '../../texts/texts.ts';
import { agoOf, wholeTimeOf } from '../../texts/times.ts';
import { Part } from './part.tsx';

const devicesDocument = operation<DevicesQuery>(/* GraphQL */ `
  query Devices { me { id account { sessions { id current deviceKind deviceName userAgent ipAddress lastActiveAt } } } }
`);
const endDocument = operation<EndDeviceMutation, EndDeviceMutationVariables>(/* GraphQL */ `
  mutation EndDevice($id: ID!) { revokeSession(input: { sessionId: $id }) { __typename ...Failure } }
`);
const endOthersDocument = operation<EndOtherDevicesMutation>(/* GraphQL */ `
  mutation EndOtherDevices { revokeOtherSessions(input: {}) { __typename ...Failure } }
`);

type Device = NonNullable<NonNullable<DevicesQuery['me']>['account']>['sessions'][number];

const devices = signal<readonly Device[] | null>(null);

/** Also when something else has ended some. */
export async function readDevices(): Promise<void> {
  const { me } = await ask(devicesDocument);
  devices.value = [...(me?.account?.sessions ?? [])].sort((a, b) => Number(b.current) - Number(a.current) || (a.lastActiveAt < b.lastActiveAt ? 1 : -1));
}

export function Devices() {
  const { you, common } = texts.value;
  const [problem, setProblem] = useState<string | null>(null);
  const [ending, setEnding] = useState<string | null>(null);
  const list = useRef<HTMLUListElement>(null);
  const others = useRef<HTMLButtonElement>(null);
  const all = devices.value;
  const off = line.value === 'off';
  const read = (): Promise<void> =>
    readDevices().then(
      () => setProblem(null),
      (thrown: unknown) => setProblem(sentenceOf(thrown)),
    );
  useEffect(() => {
    void read();
  }, [off]);
  useEffect(
    () => () => {
      devices.value = null;
    },
    [],
  );

  async function end(id: string, at: number): Promise<void> {
    if (ending) return;
    setEnding(id);
    try {
      const { revokeSession: result } = await ask(endDocument, { id });
      // What is not there any more has ended.
      if (result && isFailure(result) && result.__typename !== 'NotFoundError') setProblem(sentenceOf(result));
      else {
        devices.value = (devices.value ?? []).filter((device) => device.id !== id);
        setProblem(null);
        requestAnimationFrame(() => {
          const buttons = [...(list.current?.querySelectorAll<HTMLElement>('button') ?? [])];
          (buttons[Math.min(at - 1, buttons.length - 1)] ?? list.current)?.focus();
        });
      }
    } catch (thrown) {
      setProblem(sentenceOf(thrown));
    }
    setEnding(null);
  }

  const endOthers = (): Promise<void> =>
    confirm({
      title: you.endOthersTitle,
      text: you.endOthersText((all?.length ?? 1) - 1),
      yes: you.signOut,
      no: common.cancel,
      danger: true,
      act: async () => {
        const { revokeOtherSessions: result } = await ask(endOthersDocument);
        if (result && isFailure(result)) return sentenceOf(result);
        await read();
        return null;
      },
    }).then(() => (others.current ?? list.current)?.focus());

  return (
    <Part title={you.devices}>
      <div class="stack">
        {all === null && !problem && <ListBones rows={1} face="ico" bare />}
        {all && (
          <ul class="list bare" ref={list} tabIndex={-1} aria-label={you.devices}>
            {all.map((device, at) => (
              <li key={device.id}>
                <span class="ico">
                  <Icon name={device.deviceKind === 'ANDROID' || device.deviceKind === 'IOS' || /Android|iPhone/.test(device.deviceName ?? '') ? 'phone' : 'laptop'} />
                </span>
                <div>
                  <h3>
                    <bdi>{nameOf(device)}</bdi>
                  </h3>
                  <small class="state">
                    {device.current ? (
                      <>
                        <i class="dot" aria-hidden="true" />
                        {[you.thisDevice, device.ipAddress].filter(Boolean).join(' · ')}
                      </>
                    ) : (
                      <span title={wholeTimeOf(device.lastActiveAt)}>{[you.active(agoOf(device.lastActiveAt)), device.ipAddress].filter(Boolean).join(' · ')}</span>
                    )}
                  </small>
                </div>
                {device.current ? (
                  <span />
                ) : (
                  <button
                    class="btn small"
                    type="button"
                    aria-label={you.endOn(nameOf(device))}
                    aria-busy={ending === device.id}
                    aria-disabled={off}
                    title={off ? you.offline : undefined}
                    onClick={() => !off && void end(device.id, at)}
                  >
                    {ending === device.id ? you.ending : you.end}
                  </button>
                )}
              </li>
            ))}
          </ul>
        )}
        <FormError>{problem}</FormError>
        {problem && all === null && (
          <div class="row-btns">
            <button class="btn small" type="button" onClick={() => void read()}>
              {common.tryAgain}
            </button>
          </div>
        )}
        {all && all.length > 1 && (
          <div class="row-btns">
            <button class="btn small" type="button" ref={others} aria-disabled={off} title={off ? you.offline : undefined} onClick={() => !off && void endOthers()}>
              {you.endOthers}
            </button>
          </div>
        )}
      </div>
    </Part>
  );
}

const nameOf = ({ deviceName, userAgent }: Device): string => deviceName || userAgent?.slice(0, 60) || texts.value.you.unnamed;
