-- CreateTable
CREATE TABLE "RoomRights" (
    "chatId" INTEGER NOT NULL,
    "pinPolicy" TEXT NOT NULL DEFAULT 'ADMINS',

    CONSTRAINT "RoomRights_pkey" PRIMARY KEY ("chatId")
);

-- CreateTable
CREATE TABLE "Pin" (
    "messageId" BIGINT NOT NULL,
    "chatId" INTEGER NOT NULL,
    "pinnedAt" TIMESTAMPTZ(3) NOT NULL,
    "pinnedById" INTEGER NOT NULL,

    CONSTRAINT "Pin_pkey" PRIMARY KEY ("messageId")
);

-- CreateTable
CREATE TABLE "SavedMessage" (
    "userId" INTEGER NOT NULL,
    "messageId" BIGINT NOT NULL,
    "savedAt" TIMESTAMPTZ(3) NOT NULL,
    "note" TEXT,

    CONSTRAINT "SavedMessage_pkey" PRIMARY KEY ("userId","messageId")
);

-- CreateTable
CREATE TABLE "MessageRevision" (
    "messageId" BIGINT NOT NULL,
    "version" INTEGER NOT NULL,
    "text" TEXT,
    "at" TIMESTAMPTZ(3) NOT NULL,
    "authorId" INTEGER NOT NULL,

    CONSTRAINT "MessageRevision_pkey" PRIMARY KEY ("messageId","version")
);

-- CreateIndex
CREATE INDEX "Pin_chatId_pinnedAt_messageId_idx" ON "Pin"("chatId", "pinnedAt", "messageId");

-- CreateIndex
CREATE INDEX "SavedMessage_userId_savedAt_messageId_idx" ON "SavedMessage"("userId", "savedAt", "messageId");

-- CreateIndex
CREATE INDEX "SavedMessage_messageId_idx" ON "SavedMessage"("messageId");

-- CreateIndex
CREATE INDEX "MessageRevision_authorId_idx" ON "MessageRevision"("authorId");

-- AddForeignKey
ALTER TABLE "RoomRights" ADD CONSTRAINT "RoomRights_chatId_fkey" FOREIGN KEY ("chatId") REFERENCES "Chat"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "Pin" ADD CONSTRAINT "Pin_messageId_fkey" FOREIGN KEY ("messageId") REFERENCES "Message"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "Pin" ADD CONSTRAINT "Pin_chatId_fkey" FOREIGN KEY ("chatId") REFERENCES "Chat"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "Pin" ADD CONSTRAINT "Pin_pinnedById_fkey" FOREIGN KEY ("pinnedById") REFERENCES "User"("id") ON DELETE RESTRICT ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "SavedMessage" ADD CONSTRAINT "SavedMessage_userId_fkey" FOREIGN KEY ("userId") REFERENCES "User"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "SavedMessage" ADD CONSTRAINT "SavedMessage_messageId_fkey" FOREIGN KEY ("messageId") REFERENCES "Message"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "MessageRevision" ADD CONSTRAINT "MessageRevision_messageId_fkey" FOREIGN KEY ("messageId") REFERENCES "Message"("id") ON DELETE CASCADE ON UPDATE CASCADE;
