-- CreateTable
CREATE TABLE "Thread" (
    "rootId" INTEGER NOT NULL PRIMARY KEY,
    "chatId" INTEGER NOT NULL,
    "rootSeq" INTEGER NOT NULL,
    "replyCount" INTEGER NOT NULL,
    "participantCount" INTEGER NOT NULL,
    "newestSeq" INTEGER,
    "lastReplySeq" INTEGER NOT NULL,
    "lastReplyAt" DATETIME NOT NULL
);

-- CreateTable
CREATE TABLE "ThreadParticipant" (
    "chatId" INTEGER NOT NULL,
    "rootSeq" INTEGER NOT NULL,
    "userId" INTEGER NOT NULL,
    "firstSeq" INTEGER NOT NULL,
    "replyCount" INTEGER NOT NULL,

    PRIMARY KEY ("chatId", "rootSeq", "userId")
);

-- CreateTable
CREATE TABLE "ThreadFollow" (
    "chatId" INTEGER NOT NULL,
    "rootSeq" INTEGER NOT NULL,
    "userId" INTEGER NOT NULL,
    "following" BOOLEAN,
    "readSeq" INTEGER NOT NULL DEFAULT 0,

    PRIMARY KEY ("chatId", "rootSeq", "userId"),
    CONSTRAINT "ThreadFollow_chatId_userId_fkey" FOREIGN KEY ("chatId", "userId") REFERENCES "Member" ("chatId", "userId") ON DELETE CASCADE ON UPDATE CASCADE
);

-- CreateTable
CREATE TABLE "ThreadMarker" (
    "chatId" INTEGER NOT NULL,
    "userId" INTEGER NOT NULL,
    "readSeq" INTEGER NOT NULL,

    PRIMARY KEY ("chatId", "userId"),
    CONSTRAINT "ThreadMarker_chatId_userId_fkey" FOREIGN KEY ("chatId", "userId") REFERENCES "Member" ("chatId", "userId") ON DELETE CASCADE ON UPDATE CASCADE
);

-- CreateIndex
CREATE INDEX "Thread_chatId_lastReplySeq_idx" ON "Thread"("chatId", "lastReplySeq");

-- CreateIndex
CREATE UNIQUE INDEX "Thread_chatId_rootSeq_key" ON "Thread"("chatId", "rootSeq");

-- CreateIndex
CREATE INDEX "ThreadParticipant_chatId_rootSeq_firstSeq_idx" ON "ThreadParticipant"("chatId", "rootSeq", "firstSeq");

-- CreateIndex
CREATE INDEX "ThreadFollow_userId_chatId_rootSeq_idx" ON "ThreadFollow"("userId", "chatId", "rootSeq");

-- CreateIndex
CREATE INDEX "ThreadMarker_chatId_readSeq_idx" ON "ThreadMarker"("chatId", "readSeq");
