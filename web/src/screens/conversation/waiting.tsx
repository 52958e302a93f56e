/** A message of the viewer that the server does not have yet: under way, or refused, with what can be done then. */
import { Icon } from '../../parts/icon.tsx';
import { answerOf, discard, originOf, sayAgain, type Waiting } from '../../sending.ts';
import { state } from '../../store.ts';
import { sentenceOf } from '../../texts/errors.ts';
import { texts } from '../../texts/texts.ts';
import { timeOf } from '../../texts/times.ts';
import { uploadedOf } from '../../trays.ts';
import { Attachments } from './attachments.tsx';
import { ForwardedMark, Words } from './message.tsx';
import { putBack } from './message-actions.tsx';
import { Quoted } from './quote.tsx';
import { Tick } from './receipt.tsx';

export function WaitingView({ message, rowKey, first, last, newest }: { message: Waiting; rowKey: string; first: boolean; last: boolean; newest: boolean }) {
  const { message: words, common, shelf } = texts.value;
  const refused = message.refusal !== undefined;
  const origin = originOf(message);
  const attachments = origin?.attachments ?? uploadedOf(message.attachmentIds);
  const quote = answerOf(message);
  // After a reload only their number is known.
  const text = origin?.text || message.text || (attachments.length === 0 && !message.forwardOf ? shelf.file(message.attachmentIds.length) : '');
  const meta = !refused && (
    <span class="meta">
      <time dateTime={message.writtenAt}>{timeOf(message.writtenAt)}</time>
      {message.sent ? <Tick status="SENT" /> : <Icon name="clock" label={words.waiting} />}
    </span>
  );
  return (
    <li class="m mine" data-key={rowKey} data-first={first ? '' : undefined} data-last={last ? '' : undefined}>
      <article tabIndex={-1}>
        <h3 class="vh">{words.you}</h3>
        <div class={`leaf ${refused ? 'failed' : message.sent ? '' : 'waiting'}`}>
          {message.forwardOf && <ForwardedMark by={origin && (origin.forwardedFrom ? origin.forwardedFrom.authorId : origin.senderId)} />}
          {quote && <Quoted of={quote} chatId={message.chatId} />}
          <Attachments of={attachments} from={state.value.meId} />
          <Words text={text} meta={meta} />
        </div>
        {newest && <p class="seen" />}
        {refused && (
          <div class="below">
            <span class="why">
              <Icon name="warn" class="s" />
              {words.notSent(sentenceOf({ code: message.code ?? '', errorMessage: message.refusal }))}
            </span>
            <button class="link" type="button" onClick={() => settle(sayAgain, message)}>
              {common.tryAgain}
            </button>
            {!message.forwardOf && (
              <button class="link" type="button" onClick={() => putBack(message)}>
                {words.edit}
              </button>
            )}
            <button class="link danger" type="button" onClick={() => settle(discard, message)}>
              {words.discard}
            </button>
          </div>
        )}
      </article>
    </li>
  );
}

/** The buttons go with the refusal, and whoever pressed one writes on. */
function settle(how: (message: Waiting) => void, message: Waiting): void {
  how(message);
  document.getElementById('box')?.focus();
}
