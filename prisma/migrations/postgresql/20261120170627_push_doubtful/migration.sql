-- AlterTable
ALTER TABLE "Push" ADD COLUMN     "doubtful" BOOLEAN NOT NULL DEFAULT false;

-- CreateIndex
CREATE INDEX "Push_doubtful_nextTryAt_idx" ON "Push"("doubtful", "nextTryAt");
