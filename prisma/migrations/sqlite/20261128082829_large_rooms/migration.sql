-- CreateTable
CREATE TABLE "Opening" (
    "chatId" INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    "afterId" INTEGER NOT NULL
);

-- CreateIndex
CREATE INDEX "Member_chatId_joinedAt_userId_idx" ON "Member"("chatId", "joinedAt", "userId");

-- CreateIndex
CREATE INDEX "Member_managers" ON "Member"("chatId", "role", "joinedAt") WHERE "role" != 'MEMBER';
