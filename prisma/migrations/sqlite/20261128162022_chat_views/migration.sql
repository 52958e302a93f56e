-- CreateTable
CREATE TABLE "ChatView" (
    "chatId" INTEGER NOT NULL,
    "userId" INTEGER NOT NULL,
    "level" TEXT,
    "mutedUntil" DATETIME,
    "archivedSeq" INTEGER,
    "pinnedAt" DATETIME,
    "markedUnread" BOOLEAN NOT NULL DEFAULT false,

    PRIMARY KEY ("chatId", "userId"),
    CONSTRAINT "ChatView_chatId_userId_fkey" FOREIGN KEY ("chatId", "userId") REFERENCES "Member" ("chatId", "userId") ON DELETE CASCADE ON UPDATE CASCADE
);

-- CreateTable
CREATE TABLE "NotificationSettings" (
    "userId" INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    "roomLevel" TEXT NOT NULL DEFAULT 'ALL',
    "pushContent" TEXT NOT NULL DEFAULT 'FULL',
    "pausedUntil" DATETIME
);

-- CreateIndex
CREATE INDEX "ChatView_userId_idx" ON "ChatView"("userId");

-- CreateIndex
CREATE INDEX "ChatView_archived" ON "ChatView"("chatId") WHERE "archivedSeq" IS NOT NULL;
