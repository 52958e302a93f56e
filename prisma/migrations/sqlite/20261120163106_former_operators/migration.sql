-- CreateTable
CREATE TABLE "FormerOperator" (
    "digest" TEXT NOT NULL PRIMARY KEY
);
