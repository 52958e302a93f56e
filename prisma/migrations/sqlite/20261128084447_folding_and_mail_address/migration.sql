-- AlterTable
ALTER TABLE "Mail" ADD COLUMN "address" TEXT;

-- CreateTable
CREATE TABLE "Folding" (
    "tableName" TEXT NOT NULL PRIMARY KEY,
    "version" INTEGER NOT NULL,
    "upToId" INTEGER
);
