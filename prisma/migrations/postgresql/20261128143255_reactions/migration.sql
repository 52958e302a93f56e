-- CreateTable
CREATE TABLE "Reaction" (
    "messageId" BIGINT NOT NULL,
    "userId" INTEGER NOT NULL,
    "emoji" TEXT NOT NULL,
    "at" TIMESTAMPTZ(3) NOT NULL,

    CONSTRAINT "Reaction_pkey" PRIMARY KEY ("messageId","userId","emoji")
);

-- CreateTable
CREATE TABLE "ReactionCount" (
    "messageId" BIGINT NOT NULL,
    "emoji" TEXT NOT NULL,
    "count" INTEGER NOT NULL,
    "place" INTEGER NOT NULL,

    CONSTRAINT "ReactionCount_pkey" PRIMARY KEY ("messageId","emoji")
);

-- CreateTable
CREATE TABLE "UntoldReaction" (
    "messageId" BIGINT NOT NULL,
    "chatId" INTEGER NOT NULL,
    "byId" INTEGER,

    CONSTRAINT "UntoldReaction_pkey" PRIMARY KEY ("messageId")
);

-- CreateIndex
CREATE INDEX "Reaction_messageId_emoji_at_userId_idx" ON "Reaction"("messageId", "emoji", "at", "userId");

-- CreateIndex
CREATE INDEX "Reaction_userId_messageId_idx" ON "Reaction"("userId", "messageId");
