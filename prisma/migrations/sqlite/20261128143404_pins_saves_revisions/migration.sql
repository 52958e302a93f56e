-- CreateTable
CREATE TABLE "RoomRights" (
    "chatId" INTEGER NOT NULL PRIMARY KEY,
    "pinPolicy" TEXT NOT NULL DEFAULT 'ADMINS',
    CONSTRAINT "RoomRights_chatId_fkey" FOREIGN KEY ("chatId") REFERENCES "Chat" ("id") ON DELETE CASCADE ON UPDATE CASCADE
);

-- CreateTable
CREATE TABLE "Pin" (
    "messageId" INTEGER NOT NULL PRIMARY KEY,
    "chatId" INTEGER NOT NULL,
    "pinnedAt" DATETIME NOT NULL,
    "pinnedById" INTEGER NOT NULL,
    CONSTRAINT "Pin_messageId_fkey" FOREIGN KEY ("messageId") REFERENCES "Message" ("id") ON DELETE CASCADE ON UPDATE CASCADE,
    CONSTRAINT "Pin_chatId_fkey" FOREIGN KEY ("chatId") REFERENCES "Chat" ("id") ON DELETE CASCADE ON UPDATE CASCADE,
    CONSTRAINT "Pin_pinnedById_fkey" FOREIGN KEY ("pinnedById") REFERENCES "User" ("id") ON DELETE RESTRICT ON UPDATE CASCADE
);

-- CreateTable
CREATE TABLE "SavedMessage" (
    "userId" INTEGER NOT NULL,
    "messageId" BIGINT NOT NULL,
    "savedAt" DATETIME NOT NULL,
    "note" TEXT,

    PRIMARY KEY ("userId", "messageId"),
    CONSTRAINT "SavedMessage_userId_fkey" FOREIGN KEY ("userId") REFERENCES "User" ("id") ON DELETE CASCADE ON UPDATE CASCADE,
    CONSTRAINT "SavedMessage_messageId_fkey" FOREIGN KEY ("messageId") REFERENCES "Message" ("id") ON DELETE CASCADE ON UPDATE CASCADE
);

-- CreateTable
CREATE TABLE "MessageRevision" (
    "messageId" BIGINT NOT NULL,
    "version" INTEGER NOT NULL,
    "text" TEXT,
    "at" DATETIME NOT NULL,
    "authorId" INTEGER NOT NULL,

    PRIMARY KEY ("messageId", "version"),
    CONSTRAINT "MessageRevision_messageId_fkey" FOREIGN KEY ("messageId") REFERENCES "Message" ("id") ON DELETE CASCADE ON UPDATE CASCADE
);

-- CreateIndex
CREATE INDEX "Pin_chatId_pinnedAt_messageId_idx" ON "Pin"("chatId", "pinnedAt", "messageId");

-- CreateIndex
CREATE INDEX "SavedMessage_userId_savedAt_messageId_idx" ON "SavedMessage"("userId", "savedAt", "messageId");

-- CreateIndex
CREATE INDEX "SavedMessage_messageId_idx" ON "SavedMessage"("messageId");

-- CreateIndex
CREATE INDEX "MessageRevision_authorId_idx" ON "MessageRevision"("authorId");
