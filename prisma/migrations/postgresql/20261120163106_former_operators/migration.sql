-- CreateTable
CREATE TABLE "FormerOperator" (
    "digest" TEXT NOT NULL,

    CONSTRAINT "FormerOperator_pkey" PRIMARY KEY ("digest")
);
