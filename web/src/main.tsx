/** Begins: the language, what the server put into the page, and the first drawing. */
import './styles/styles.css';
import './random-uuid.ts';
import { render } from 'preact';
import { App } from './app.tsx';
import type { HomeQuery } from './generated/graphql.ts';
import { listenToKeys } from './keyboard.ts';
import { followLinks, route } from './route.ts';
import { hurry } from './sending.ts';
import { start } from './sync.ts';
import { startLanguage } from './texts/texts.ts';
import { startTheme } from './theme.ts';
import { renewPush, startWorker } from './worker.ts';

/** The answer to the home query, as data (src/transport/page.ts). Null when the browser came without a session that is good now. */
function givenHome(): HomeQuery | null {
  const text = document.getElementById('home')?.textContent;
  return text ? (JSON.parse(text) as HomeQuery) : null;
}

/** What is not needed for the first screen waits until it stands. */
function quiet(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, 1_000));
}

startTheme();
followLinks();
listenToKeys();
addEventListener('online', hurry);
// Not awaited here: a catalogue stands on this module, and would wait for it as long as this waits for the catalogue.
void startLanguage().then(() => {
  const [name, id] = route.value;
  const started = start(givenHome(), name === 'chat' && id ? id : null);
  render(<App />, document.getElementById('app') as HTMLElement);
  return started.then(quiet).then(startWorker).then(renewPush);
});
