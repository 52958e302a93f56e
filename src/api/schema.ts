/** The whole schema: every domain's part is declared by loading it. */
import '../accounts/schema.ts';
import '../sessions/schema.ts';
import '../identities/schema.ts';
import '../chats/schema.ts';
import '../chats/lists-schema.ts';
import '../chats/rooms-schema.ts';
import '../chats/membership-schema.ts';
import '../messages/schema.ts';
import '../messages/receipts-schema.ts';
import '../messages/pins-schema.ts';
import '../messages/saved-schema.ts';
import '../messages/revisions-schema.ts';
import '../messages/rights-schema.ts';
import '../messages/reactions-schema.ts';
import '../messages/threads-schema.ts';
import '../messages/mentions-schema.ts';
import '../messages/inbox-schema.ts';
import '../streams/items-schema.ts';
import '../streams/schema.ts';
import '../presence/schema.ts';
import '../files/schema.ts';
import '../search/schema.ts';
import '../notifications/schema.ts';
import './nodes.ts';
import './server-info.ts';
import { builder } from '../graphql/builder.ts';

export const schema = builder.toSchema();
