-- AlterTable
ALTER TABLE "Mail" ADD COLUMN     "address" TEXT;

-- CreateTable
CREATE TABLE "Folding" (
    "tableName" TEXT NOT NULL,
    "version" INTEGER NOT NULL,
    "upToId" INTEGER,

    CONSTRAINT "Folding_pkey" PRIMARY KEY ("tableName")
);
