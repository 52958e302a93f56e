-- CreateTable
CREATE TABLE "ChatView" (
    "chatId" INTEGER NOT NULL,
    "userId" INTEGER NOT NULL,
    "level" TEXT,
    "mutedUntil" TIMESTAMPTZ(3),
    "archivedSeq" INTEGER,
    "pinnedAt" TIMESTAMPTZ(3),
    "markedUnread" BOOLEAN NOT NULL DEFAULT false,

    CONSTRAINT "ChatView_pkey" PRIMARY KEY ("chatId","userId")
);

-- CreateTable
CREATE TABLE "NotificationSettings" (
    "userId" INTEGER NOT NULL,
    "roomLevel" TEXT NOT NULL DEFAULT 'ALL',
    "pushContent" TEXT NOT NULL DEFAULT 'FULL',
    "pausedUntil" TIMESTAMPTZ(3),

    CONSTRAINT "NotificationSettings_pkey" PRIMARY KEY ("userId")
);

-- CreateIndex
CREATE INDEX "ChatView_userId_idx" ON "ChatView"("userId");

-- CreateIndex
CREATE INDEX "ChatView_archived" ON "ChatView"("chatId") WHERE ("archivedSeq" IS NOT NULL);

-- AddForeignKey
ALTER TABLE "ChatView" ADD CONSTRAINT "ChatView_chatId_userId_fkey" FOREIGN KEY ("chatId", "userId") REFERENCES "Member"("chatId", "userId") ON DELETE CASCADE ON UPDATE CASCADE;
