/** Screens that are loaded when they are first shown, with what they say. */
import type { ComponentType } from 'preact';
import { useEffect, useState } from 'preact/hooks';
import { arrive } from '../arrive.ts';
import { loadMore, texts } from '../texts/texts.ts';

/** `aside`: it stands beside a screen, and nothing takes its place meanwhile. `says`: sentences that are loaded later, too. */
export function lazy<Props extends object>(load: () => Promise<ComponentType<Props>>, { aside = false, says = true } = {}): ComponentType<Props> {
  let loaded: ComponentType<Props> | null = null;
  return function Lazy(props: Props) {
    const [, redraw] = useState(0);
    const [failed, setFailed] = useState(false);
    useEffect(() => {
      if (loaded || failed) return;
      Promise.all([load(), says ? loadMore() : null]).then(
        ([component]) => {
          loaded = component;
          redraw(1);
        },
        () => setFailed(true),
      );
    }, [failed]);
    const isThere = loaded !== null;
    useEffect(() => {
      if (isThere && !aside) arrive();
    }, [isThere]);
    if (loaded) {
      const Screen = loaded;
      return <Screen {...props} />;
    }
    if (aside) return null;
    const { problems, common, app } = texts.value;
    if (!failed) return <main class="pane" aria-busy="true" aria-label={app.loading} />;
    return (
      <main class="pane">
        <div />
        <div class="empty">
          <p role="alert">{problems.offline}</p>
          <button class="btn" type="button" onClick={() => setFailed(false)}>
            {common.tryAgain}
          </button>
        </div>
      </main>
    );
  };
}
