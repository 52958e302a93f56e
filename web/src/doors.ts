/** How people come in, as the server put it into the page (src/transport/page.ts), and how it went for whoever comes back from elsewhere. */

type Doors = { registration: boolean; password: boolean; offers: readonly { name: string; label: string }[] };
export const doors: Doors = JSON.parse(document.getElementById('doors')?.textContent ?? '{ "registration": true, "password": true, "offers": [] }') as Doors;

const search = new URLSearchParams(location.search);
/** Somebody has just signed in elsewhere: what this browser keeps may be another's. */
export const cameIn = search.has('signed-in');
const why = search.get('sign-in');
/** Why somebody who comes back from elsewhere is not in. */
export const turnedAway = why === 'unavailable' || why === 'nobody' || why === 'again' || why === 'refused' ? why : null;
// Neither shall be true again after a reload.
if (cameIn || why) history.replaceState(null, '', location.pathname + location.hash);
