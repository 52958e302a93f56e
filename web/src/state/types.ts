/** The generated types that the state is made of. */
import type { EventsSubscription, HomeQuery, MeFieldsFragment } from '../generated/graphql.ts';

export type {
  ChatFieldsFragment,
  ErrorCode,
  FailureFragment as Failure,
  MemberFieldsFragment,
  MessageFieldsFragment,
  MyFieldsFragment,
  NotificationFieldsFragment,
  OwnFieldsFragment,
  PersonFieldsFragment,
  QuoteFieldsFragment,
  ReactionsFieldsFragment,
} from '../generated/graphql.ts';
export type Item = EventsSubscription['events'];
export type AccountParts = NonNullable<MeFieldsFragment['account']>;
export type ServerInfo = HomeQuery['serverInfo'];
