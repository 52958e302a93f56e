/** `/rooms` is the directory. */
import { Missing } from '../missing.tsx';
import type { ScreenProps } from '../screens.tsx';
import { Directory } from './directory.tsx';

export function Rooms({ parts: [which] }: ScreenProps) {
  return which === undefined ? <Directory /> : <Missing />;
}
