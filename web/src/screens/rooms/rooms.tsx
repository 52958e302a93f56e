/** `/rooms` is the directory, `/rooms/new` opens a room. */
import { lazy } from '../../parts/lazy.tsx';
import { Missing } from '../missing.tsx';
import type { ScreenProps } from '../screens.tsx';
import { Directory } from './directory.tsx';

const NewRoom = lazy(() => import('./new-room.tsx').then((module) => module.NewRoom));

export function Rooms({ parts: [which] }: ScreenProps) {
  return which === undefined ? <Directory /> : which === 'new' ? <NewRoom /> : <Missing />;
}
