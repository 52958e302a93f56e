/** Which screen stands behind which address, by the first part of the path. Those that are not needed at once are loaded when they are shown. */
import type { ComponentType } from 'preact';
import { lazy } from '../parts/lazy.tsx';
import { Conversation } from './conversation/conversation.tsx';
import { Home } from './home.tsx';

/** `parts`: what stands behind the first part of the path. */
export type ScreenProps = { parts: readonly string[] };
export type Screen = {
  view: ComponentType<ScreenProps>;
  /** Which place of the rail it belongs to. */
  place: 'chats' | 'rooms' | 'notices' | 'you';
  /** On a phone the bottom bar makes room for it: conversations and forms. */
  deep?: boolean | ((parts: readonly string[]) => boolean);
};

export const screens: Record<string, Screen> = {
  '': { view: Home, place: 'chats' },
  chat: { view: Conversation, place: 'chats', deep: true },
  rooms: { view: lazy(() => import('./rooms/rooms.tsx').then(({ Rooms }) => Rooms)), place: 'rooms', deep: ([which]) => which === 'new' },
  room: { view: lazy(() => import('./rooms/room-settings.tsx').then(({ RoomSettings }) => RoomSettings)), place: 'rooms', deep: true },
  search: { view: lazy(() => import('./search.tsx').then(({ Search }) => Search)), place: 'chats', deep: true },
  saved: { view: lazy(() => import('./saved.tsx').then(({ SavedMessages }) => SavedMessages)), place: 'chats', deep: true },
  notices: { view: lazy(() => import('./notices.tsx').then(({ Notices }) => Notices)), place: 'notices' },
  join: { view: lazy(() => import('./rooms/invited.tsx').then(({ Invited }) => Invited)), place: 'rooms' },
  people: { view: lazy(() => import('./people.tsx').then(({ People }) => People)), place: 'chats' },
  you: { view: lazy(() => import('./you/you.tsx').then(({ You }) => You)), place: 'you' },
};

export const gate = lazy(() => import('./gate.tsx').then(({ Gate }) => Gate));
