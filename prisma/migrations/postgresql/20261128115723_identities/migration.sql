-- AlterTable
ALTER TABLE "Session" ADD COLUMN     "identifiedAt" TIMESTAMPTZ(3),
ADD COLUMN     "issuer" TEXT,
ADD COLUMN     "issuerSession" TEXT;

-- CreateTable
CREATE TABLE "Identity" (
    "id" SERIAL NOT NULL,
    "userId" INTEGER NOT NULL,
    "issuer" TEXT NOT NULL,
    "externalId" TEXT NOT NULL,
    "createdAt" TIMESTAMPTZ(3) NOT NULL,
    "lastUsedAt" TIMESTAMPTZ(3),
    "voidBefore" TIMESTAMPTZ(3),

    CONSTRAINT "Identity_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "SpentToken" (
    "digest" TEXT NOT NULL,
    "endsAt" TIMESTAMPTZ(3) NOT NULL,

    CONSTRAINT "SpentToken_pkey" PRIMARY KEY ("digest")
);

-- CreateIndex
CREATE UNIQUE INDEX "Identity_issuer_externalId_key" ON "Identity"("issuer", "externalId");

-- CreateIndex
CREATE UNIQUE INDEX "Identity_userId_issuer_key" ON "Identity"("userId", "issuer");

-- CreateIndex
CREATE INDEX "SpentToken_endsAt_idx" ON "SpentToken"("endsAt");

-- CreateIndex
CREATE INDEX "Session_of_issuer" ON "Session"("issuer", "issuerSession") WHERE ("issuerSession" IS NOT NULL);

-- AddForeignKey
ALTER TABLE "Identity" ADD CONSTRAINT "Identity_userId_fkey" FOREIGN KEY ("userId") REFERENCES "User"("id") ON DELETE CASCADE ON UPDATE CASCADE;
