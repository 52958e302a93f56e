-- CreateTable
CREATE TABLE "User" (
    "id" INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    "username" TEXT NOT NULL,
    "usernameKey" TEXT NOT NULL,
    "displayName" TEXT NOT NULL,
    "displayNameKey" TEXT NOT NULL,
    "firstName" TEXT,
    "lastName" TEXT,
    "email" TEXT,
    "emailKey" TEXT,
    "phone" TEXT,
    "address" TEXT,
    "passwordHash" TEXT NOT NULL,
    "createdAt" DATETIME NOT NULL,
    "lastSeenAt" DATETIME,
    "deletedAt" DATETIME
);

-- CreateTable
CREATE TABLE "Contact" (
    "ownerId" INTEGER NOT NULL,
    "personId" INTEGER NOT NULL,
    "addedAt" DATETIME NOT NULL,

    PRIMARY KEY ("ownerId", "personId"),
    CONSTRAINT "Contact_ownerId_fkey" FOREIGN KEY ("ownerId") REFERENCES "User" ("id") ON DELETE CASCADE ON UPDATE CASCADE,
    CONSTRAINT "Contact_personId_fkey" FOREIGN KEY ("personId") REFERENCES "User" ("id") ON DELETE CASCADE ON UPDATE CASCADE
);

-- CreateTable
CREATE TABLE "Session" (
    "id" INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    "userId" INTEGER NOT NULL,
    "deviceId" TEXT,
    "deviceName" TEXT,
    "deviceKind" TEXT NOT NULL,
    "ipAddress" TEXT,
    "userAgent" TEXT,
    "createdAt" DATETIME NOT NULL,
    "lastActiveAt" DATETIME NOT NULL,
    "expiresAt" DATETIME NOT NULL,
    "endedAt" DATETIME,
    "endReason" TEXT,
    "refreshDigest" TEXT NOT NULL,
    "generation" INTEGER NOT NULL DEFAULT 1,
    "voidBelow" INTEGER NOT NULL DEFAULT 1,
    "rotatedAt" DATETIME NOT NULL,
    CONSTRAINT "Session_userId_fkey" FOREIGN KEY ("userId") REFERENCES "User" ("id") ON DELETE CASCADE ON UPDATE CASCADE
);

-- CreateTable
CREATE TABLE "Secret" (
    "name" TEXT NOT NULL PRIMARY KEY,
    "value" TEXT NOT NULL
);

-- CreateTable
CREATE TABLE "Chat" (
    "id" INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    "kind" TEXT NOT NULL,
    "lowUserId" INTEGER,
    "highUserId" INTEGER,
    "name" TEXT,
    "nameKey" TEXT,
    "topic" TEXT,
    "link" TEXT,
    "linkKey" TEXT,
    "visibility" TEXT NOT NULL,
    "postPolicy" TEXT NOT NULL,
    "everyone" BOOLEAN NOT NULL DEFAULT false,
    "capacity" INTEGER,
    "passwordHash" TEXT,
    "lastSeq" INTEGER NOT NULL DEFAULT 0,
    "memberCount" INTEGER NOT NULL DEFAULT 0,
    "createdAt" DATETIME NOT NULL,
    "lastActivityAt" DATETIME NOT NULL,
    "creatorId" INTEGER,
    "clientRequestId" TEXT,
    "deletedAt" DATETIME
);

-- CreateTable
CREATE TABLE "Member" (
    "chatId" INTEGER NOT NULL,
    "userId" INTEGER NOT NULL,
    "role" TEXT NOT NULL,
    "joinedAt" DATETIME NOT NULL,
    "joinedSeq" INTEGER NOT NULL,
    "deliveredSeq" INTEGER NOT NULL,
    "readSeq" INTEGER NOT NULL,

    PRIMARY KEY ("chatId", "userId"),
    CONSTRAINT "Member_chatId_fkey" FOREIGN KEY ("chatId") REFERENCES "Chat" ("id") ON DELETE CASCADE ON UPDATE CASCADE,
    CONSTRAINT "Member_userId_fkey" FOREIGN KEY ("userId") REFERENCES "User" ("id") ON DELETE CASCADE ON UPDATE CASCADE
);

-- CreateTable
CREATE TABLE "Ban" (
    "chatId" INTEGER NOT NULL,
    "userId" INTEGER NOT NULL,
    "at" DATETIME NOT NULL,

    PRIMARY KEY ("chatId", "userId"),
    CONSTRAINT "Ban_chatId_fkey" FOREIGN KEY ("chatId") REFERENCES "Chat" ("id") ON DELETE CASCADE ON UPDATE CASCADE,
    CONSTRAINT "Ban_userId_fkey" FOREIGN KEY ("userId") REFERENCES "User" ("id") ON DELETE CASCADE ON UPDATE CASCADE
);

-- CreateTable
CREATE TABLE "Message" (
    "id" INTEGER NOT NULL PRIMARY KEY,
    "chatId" INTEGER NOT NULL,
    "seq" INTEGER NOT NULL,
    "senderId" INTEGER NOT NULL,
    "text" TEXT,
    "createdAt" DATETIME NOT NULL,
    "clientSentAt" DATETIME,
    "clientMessageId" TEXT,
    "contentDigest" TEXT,
    "version" INTEGER NOT NULL DEFAULT 1,
    "editedAt" DATETIME,
    "deletedAt" DATETIME,
    CONSTRAINT "Message_chatId_fkey" FOREIGN KEY ("chatId") REFERENCES "Chat" ("id") ON DELETE CASCADE ON UPDATE CASCADE,
    CONSTRAINT "Message_senderId_fkey" FOREIGN KEY ("senderId") REFERENCES "User" ("id") ON DELETE RESTRICT ON UPDATE CASCADE
);

-- CreateTable
CREATE TABLE "Event" (
    "number" INTEGER NOT NULL PRIMARY KEY,
    "at" DATETIME NOT NULL,
    "type" TEXT NOT NULL,
    "chatId" INTEGER,
    "userId" INTEGER,
    "data" TEXT
);

-- CreateTable
CREATE TABLE "EventHead" (
    "id" INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    "last" BIGINT NOT NULL,
    "pruned" BIGINT NOT NULL,
    "logId" TEXT NOT NULL
);

-- CreateIndex
CREATE UNIQUE INDEX "User_usernameKey_key" ON "User"("usernameKey");

-- CreateIndex
CREATE UNIQUE INDEX "User_emailKey_key" ON "User"("emailKey");

-- CreateIndex
CREATE INDEX "User_displayNameKey_idx" ON "User"("displayNameKey");

-- CreateIndex
CREATE INDEX "Contact_personId_idx" ON "Contact"("personId");

-- CreateIndex
CREATE INDEX "Session_userId_endedAt_idx" ON "Session"("userId", "endedAt");

-- CreateIndex
CREATE INDEX "Session_expiresAt_idx" ON "Session"("expiresAt");

-- CreateIndex
CREATE UNIQUE INDEX "Chat_linkKey_key" ON "Chat"("linkKey");

-- CreateIndex
CREATE INDEX "Chat_visibility_nameKey_idx" ON "Chat"("visibility", "nameKey");

-- CreateIndex
CREATE INDEX "Chat_everyone_idx" ON "Chat"("everyone");

-- CreateIndex
CREATE UNIQUE INDEX "Chat_lowUserId_highUserId_key" ON "Chat"("lowUserId", "highUserId");

-- CreateIndex
CREATE UNIQUE INDEX "Chat_creatorId_clientRequestId_key" ON "Chat"("creatorId", "clientRequestId");

-- CreateIndex
CREATE INDEX "Member_userId_idx" ON "Member"("userId");

-- CreateIndex
CREATE INDEX "Member_chatId_joinedSeq_idx" ON "Member"("chatId", "joinedSeq");

-- CreateIndex
CREATE INDEX "Member_chatId_deliveredSeq_idx" ON "Member"("chatId", "deliveredSeq");

-- CreateIndex
CREATE INDEX "Member_chatId_readSeq_idx" ON "Member"("chatId", "readSeq");

-- CreateIndex
CREATE INDEX "Ban_userId_idx" ON "Ban"("userId");

-- CreateIndex
CREATE INDEX "Message_chatId_senderId_seq_idx" ON "Message"("chatId", "senderId", "seq");

-- CreateIndex
CREATE INDEX "Message_tombstones" ON "Message"("chatId", "seq") WHERE "deletedAt" IS NOT NULL;

-- CreateIndex
CREATE UNIQUE INDEX "Message_chatId_seq_key" ON "Message"("chatId", "seq");

-- CreateIndex
CREATE UNIQUE INDEX "Message_senderId_clientMessageId_key" ON "Message"("senderId", "clientMessageId");
