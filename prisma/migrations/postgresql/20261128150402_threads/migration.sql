-- CreateTable
CREATE TABLE "Thread" (
    "rootId" BIGINT NOT NULL,
    "chatId" INTEGER NOT NULL,
    "rootSeq" INTEGER NOT NULL,
    "replyCount" INTEGER NOT NULL,
    "participantCount" INTEGER NOT NULL,
    "newestSeq" INTEGER,
    "lastReplySeq" INTEGER NOT NULL,
    "lastReplyAt" TIMESTAMPTZ(3) NOT NULL,

    CONSTRAINT "Thread_pkey" PRIMARY KEY ("rootId")
);

-- CreateTable
CREATE TABLE "ThreadParticipant" (
    "chatId" INTEGER NOT NULL,
    "rootSeq" INTEGER NOT NULL,
    "userId" INTEGER NOT NULL,
    "firstSeq" INTEGER NOT NULL,
    "replyCount" INTEGER NOT NULL,

    CONSTRAINT "ThreadParticipant_pkey" PRIMARY KEY ("chatId","rootSeq","userId")
);

-- CreateTable
CREATE TABLE "ThreadFollow" (
    "chatId" INTEGER NOT NULL,
    "rootSeq" INTEGER NOT NULL,
    "userId" INTEGER NOT NULL,
    "following" BOOLEAN,
    "readSeq" INTEGER NOT NULL DEFAULT 0,

    CONSTRAINT "ThreadFollow_pkey" PRIMARY KEY ("chatId","rootSeq","userId")
);

-- CreateTable
CREATE TABLE "ThreadMarker" (
    "chatId" INTEGER NOT NULL,
    "userId" INTEGER NOT NULL,
    "readSeq" INTEGER NOT NULL,

    CONSTRAINT "ThreadMarker_pkey" PRIMARY KEY ("chatId","userId")
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

-- AddForeignKey
ALTER TABLE "ThreadFollow" ADD CONSTRAINT "ThreadFollow_chatId_userId_fkey" FOREIGN KEY ("chatId", "userId") REFERENCES "Member"("chatId", "userId") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "ThreadMarker" ADD CONSTRAINT "ThreadMarker_chatId_userId_fkey" FOREIGN KEY ("chatId", "userId") REFERENCES "Member"("chatId", "userId") ON DELETE CASCADE ON UPDATE CASCADE;
