-- AlterTable
ALTER TABLE "User" ADD COLUMN "avatarId" INTEGER;

-- AlterTable
ALTER TABLE "Chat" ADD COLUMN "avatarId" INTEGER;

-- AlterTable
ALTER TABLE "Member" ADD COLUMN "readAt" DATETIME;

-- CreateTable
CREATE TABLE "PasswordReset" (
    "digest" TEXT NOT NULL PRIMARY KEY,
    "userId" INTEGER NOT NULL,
    "createdAt" DATETIME NOT NULL,
    "expiresAt" DATETIME NOT NULL,
    "usedAt" DATETIME,
    CONSTRAINT "PasswordReset_userId_fkey" FOREIGN KEY ("userId") REFERENCES "User" ("id") ON DELETE CASCADE ON UPDATE CASCADE
);

-- CreateTable
CREATE TABLE "Mail" (
    "id" INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    "kind" TEXT NOT NULL,
    "userId" INTEGER,
    "createdAt" DATETIME NOT NULL,
    "nextTryAt" DATETIME NOT NULL,
    "tries" INTEGER NOT NULL DEFAULT 0,
    "lastError" TEXT
);

-- CreateTable
CREATE TABLE "Attachment" (
    "id" INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    "uploaderId" INTEGER NOT NULL,
    "state" TEXT NOT NULL,
    "fileName" TEXT NOT NULL,
    "contentType" TEXT NOT NULL,
    "size" INTEGER NOT NULL,
    "sha256" TEXT,
    "blobKey" TEXT NOT NULL,
    "width" INTEGER,
    "height" INTEGER,
    "createdAt" DATETIME NOT NULL,
    "expiresAt" DATETIME,
    "messageId" BIGINT,
    "position" INTEGER NOT NULL DEFAULT 0,
    CONSTRAINT "Attachment_uploaderId_fkey" FOREIGN KEY ("uploaderId") REFERENCES "User" ("id") ON DELETE RESTRICT ON UPDATE CASCADE,
    CONSTRAINT "Attachment_messageId_fkey" FOREIGN KEY ("messageId") REFERENCES "Message" ("id") ON DELETE SET NULL ON UPDATE CASCADE
);

-- CreateTable
CREATE TABLE "NotificationRead" (
    "userId" INTEGER NOT NULL,
    "messageId" BIGINT NOT NULL,
    "readAt" DATETIME NOT NULL,

    PRIMARY KEY ("userId", "messageId")
);

-- CreateTable
CREATE TABLE "NotificationMark" (
    "userId" INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    "upToId" BIGINT NOT NULL,
    "readAt" DATETIME NOT NULL
);

-- CreateTable
CREATE TABLE "PushDevice" (
    "id" INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    "userId" INTEGER NOT NULL,
    "sessionId" INTEGER NOT NULL,
    "endpoint" TEXT NOT NULL,
    "p256dh" TEXT NOT NULL,
    "auth" TEXT NOT NULL,
    "label" TEXT,
    "createdAt" DATETIME NOT NULL,
    "lastSuccessAt" DATETIME,
    "lastError" TEXT,
    CONSTRAINT "PushDevice_userId_fkey" FOREIGN KEY ("userId") REFERENCES "User" ("id") ON DELETE CASCADE ON UPDATE CASCADE
);

-- CreateTable
CREATE TABLE "Push" (
    "id" INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    "deviceId" INTEGER NOT NULL,
    "messageId" BIGINT NOT NULL,
    "nextTryAt" DATETIME NOT NULL,
    "tries" INTEGER NOT NULL DEFAULT 0
);

-- CreateTable
CREATE TABLE "LogPosition" (
    "name" TEXT NOT NULL PRIMARY KEY,
    "number" BIGINT NOT NULL
);

-- CreateTable
CREATE TABLE "Erasure" (
    "userId" INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    "mode" TEXT NOT NULL,
    "receiptId" TEXT NOT NULL,
    "startedAt" DATETIME NOT NULL
);

-- CreateIndex
CREATE INDEX "PasswordReset_userId_idx" ON "PasswordReset"("userId");

-- CreateIndex
CREATE INDEX "Mail_nextTryAt_idx" ON "Mail"("nextTryAt");

-- CreateIndex
CREATE INDEX "Mail_userId_idx" ON "Mail"("userId");

-- CreateIndex
CREATE UNIQUE INDEX "Attachment_blobKey_key" ON "Attachment"("blobKey");

-- CreateIndex
CREATE INDEX "Attachment_messageId_position_idx" ON "Attachment"("messageId", "position");

-- CreateIndex
CREATE INDEX "Attachment_uploaderId_expiresAt_state_size_idx" ON "Attachment"("uploaderId", "expiresAt", "state", "size");

-- CreateIndex
CREATE INDEX "Attachment_expiresAt_idx" ON "Attachment"("expiresAt");

-- CreateIndex
CREATE UNIQUE INDEX "PushDevice_endpoint_key" ON "PushDevice"("endpoint");

-- CreateIndex
CREATE INDEX "PushDevice_userId_idx" ON "PushDevice"("userId");

-- CreateIndex
CREATE INDEX "PushDevice_sessionId_idx" ON "PushDevice"("sessionId");

-- CreateIndex
CREATE INDEX "Push_nextTryAt_idx" ON "Push"("nextTryAt");

-- CreateIndex
CREATE UNIQUE INDEX "Push_deviceId_messageId_key" ON "Push"("deviceId", "messageId");

-- CreateIndex
CREATE UNIQUE INDEX "User_avatarId_key" ON "User"("avatarId");

-- CreateIndex
CREATE UNIQUE INDEX "Chat_avatarId_key" ON "Chat"("avatarId");
