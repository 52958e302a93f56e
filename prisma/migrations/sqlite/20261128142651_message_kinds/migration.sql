-- AlterTable
ALTER TABLE "Message" ADD COLUMN "forwardAuthorId" INTEGER;
ALTER TABLE "Message" ADD COLUMN "forwardOfId" BIGINT;
ALTER TABLE "Message" ADD COLUMN "forwardSentAt" DATETIME;
ALTER TABLE "Message" ADD COLUMN "mentionsAll" TEXT;
ALTER TABLE "Message" ADD COLUMN "metadata" TEXT;
ALTER TABLE "Message" ADD COLUMN "replyToSeq" INTEGER;
ALTER TABLE "Message" ADD COLUMN "threadRootSeq" INTEGER;

-- CreateIndex
CREATE INDEX "Message_in_threads" ON "Message"("chatId", "threadRootSeq", "seq") WHERE "threadRootSeq" IS NOT NULL;

-- CreateIndex
CREATE INDEX "Message_replies" ON "Message"("chatId", "seq") WHERE "threadRootSeq" IS NOT NULL;

-- CreateIndex
CREATE INDEX "Message_to_everyone" ON "Message"("chatId", "seq") WHERE "mentionsAll" = 'EVERYONE';

-- CreateIndex
CREATE INDEX "Message_forwards" ON "Message"("forwardAuthorId") WHERE "forwardAuthorId" IS NOT NULL;
