-- AlterTable
ALTER TABLE "EventHead" ADD COLUMN "mayLag" BOOLEAN NOT NULL DEFAULT false;
