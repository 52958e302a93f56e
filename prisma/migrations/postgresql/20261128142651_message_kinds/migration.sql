-- AlterTable
ALTER TABLE "Message" ADD COLUMN     "forwardAuthorId" INTEGER,
ADD COLUMN     "forwardOfId" BIGINT,
ADD COLUMN     "forwardSentAt" TIMESTAMPTZ(3),
ADD COLUMN     "mentionsAll" TEXT,
ADD COLUMN     "metadata" TEXT,
ADD COLUMN     "replyToSeq" INTEGER,
ADD COLUMN     "threadRootSeq" INTEGER;

-- CreateIndex
CREATE INDEX "Message_in_threads" ON "Message"("chatId", "threadRootSeq", "seq") WHERE ("threadRootSeq" IS NOT NULL);

-- CreateIndex
CREATE INDEX "Message_replies" ON "Message"("chatId", "seq") WHERE ("threadRootSeq" IS NOT NULL);

-- CreateIndex
CREATE INDEX "Message_to_everyone" ON "Message"("chatId", "seq") WHERE ("mentionsAll" = 'EVERYONE');

-- CreateIndex
CREATE INDEX "Message_forwards" ON "Message"("forwardAuthorId") WHERE ("forwardAuthorId" IS NOT NULL);
