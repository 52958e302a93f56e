-- AlterTable
ALTER TABLE "Session" ADD COLUMN "identifiedAt" DATETIME;
ALTER TABLE "Session" ADD COLUMN "issuer" TEXT;
ALTER TABLE "Session" ADD COLUMN "issuerSession" TEXT;

-- CreateTable
CREATE TABLE "Identity" (
    "id" INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    "userId" INTEGER NOT NULL,
    "issuer" TEXT NOT NULL,
    "externalId" TEXT NOT NULL,
    "createdAt" DATETIME NOT NULL,
    "lastUsedAt" DATETIME,
    "voidBefore" DATETIME,
    CONSTRAINT "Identity_userId_fkey" FOREIGN KEY ("userId") REFERENCES "User" ("id") ON DELETE CASCADE ON UPDATE CASCADE
);

-- CreateTable
CREATE TABLE "SpentToken" (
    "digest" TEXT NOT NULL PRIMARY KEY,
    "endsAt" DATETIME NOT NULL
);

-- CreateIndex
CREATE UNIQUE INDEX "Identity_issuer_externalId_key" ON "Identity"("issuer", "externalId");

-- CreateIndex
CREATE UNIQUE INDEX "Identity_userId_issuer_key" ON "Identity"("userId", "issuer");

-- CreateIndex
CREATE INDEX "SpentToken_endsAt_idx" ON "SpentToken"("endsAt");

-- CreateIndex
CREATE INDEX "Session_of_issuer" ON "Session"("issuer", "issuerSession") WHERE "issuerSession" IS NOT NULL;
