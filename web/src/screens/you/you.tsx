/** Everything of one's own: the profile, contacts, look and language, devices, the account itself. */
import { useState } from 'preact/hooks';
import { signOut } from '../../actions.ts';
import { texts } from '../../texts/texts.ts';
import { AccountPart } from './account.tsx';
import { Contacts } from './contacts.tsx';
import { Devices } from './devices.tsx';
import { Look } from './look.tsx';
import { Notify } from './notify.tsx';
import { Profile } from './profile.tsx';

export function You() {
  const { you } = texts.value;
  const [leaving, setLeaving] = useState(false);
  return (
    <main class="pane">
      <header class="bar">
        <h1 class="grow">{you.title}</h1>
        <button
          class="btn small"
          type="button"
          aria-busy={leaving}
          onClick={() => {
            setLeaving(true);
            void signOut();
          }}
        >
          {you.signOut}
        </button>
      </header>
      <div class="scroll">
        <div class="column page form">
          <Profile />
          <Contacts />
          <Look />
          <Notify />
          <Devices />
          <AccountPart />
        </div>
      </div>
    </main>
  );
}
