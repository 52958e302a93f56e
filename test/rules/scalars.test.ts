/** What the scalars take: only what is one, as written in a variable and in a document. */
import { expect, it } from 'vitest';
import { startTestServer } from '../kit/server.ts';

it('takes dates and times that exist, and no others', async () => {
  await using server = await startTestServer();
  const ada = await server.person();
  let count = 0;
  const send = async (time: string, inDocument: boolean): Promise<string> => {
    const fields = `to: { username: "${ada.username}" }, text: "hi", clientMessageId: "m${count++}"`;
    const payload = '... on SendMessagePayload { message { clientSentAt } }';
    const { data, errors } = inDocument
      ? await ada.request(`mutation { sendMessage(input: { ${fields}, clientSentAt: ${JSON.stringify(time)} }) { ${payload} } }`)
      : await ada.request(`mutation ($time: DateTime) { sendMessage(input: { ${fields}, clientSentAt: $time }) { ${payload} } }`, { time });
    return errors?.[0]?.extensions.code ?? data?.sendMessage.message.clientSentAt;
  };
  const good: Record<string, string> = {
    '2026-01-31T12:00:00.000Z': '2026-01-31T12:00:00.000Z',
    '2024-02-29T23:59:59.999999999z': '2024-02-29T23:59:59.999Z',
    '2000-02-29t00:00:00+23:59': '2000-02-28T00:01:00.000Z',
    '2026-12-31T23:59:59-00:00': '2026-12-31T23:59:59.000Z',
    '0001-01-01T00:00:00Z': '0001-01-01T00:00:00.000Z',
  };
  const times = [
    '24:00:00Z',
    '23:60:00Z',
    '23:59:60Z',
    '12:00:00+99:99',
    '12:00:00+24:00',
    '12:00:00-12:60',
    '12:00:00',
    '12:00Z',
    '12:00:00.Z',
    '12:00:00,5Z',
    ' 12:00:00Z',
    '12:00:00+0100',
  ];
  const days = [
    '2026-02-30',
    '2026-02-29',
    '1900-02-29',
    '2026-04-31',
    '2026-13-01',
    '2026-00-10',
    '2026-01-00',
    '2026-01-32',
    '+002026-01-01',
    '26-01-01',
    '2026-1-1',
    '20260101',
  ];
  const bad = [
    ...times.map((time) => `2026-01-31T${time}`),
    ...days.map((day) => `${day}T12:00:00Z`),
    '9999-12-31T23:59:59-01:00',
    '0000-01-01T00:00:00+01:00',
    '2026-01-31 12:00:00Z',
    '2026-01-31',
    '',
  ];
  for (const inDocument of [false, true]) {
    for (const [time, taken] of Object.entries(good)) expect([time, await send(time, inDocument)]).toEqual([time, taken]);
    for (const time of bad) expect([time, await send(time, inDocument)]).toEqual([time, 'BAD_REQUEST']);
  }
});
